package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The API cannot be opened to other machines in plain text by accident.
func TestAPI(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"{}":                                       "",
		"{listen: '127.0.0.1:8080'}":               "",
		"{listen: '[::1]:0'}":                      "",
		"{listen: 'localhost:80'}":                 "",
		"{listen: ':8080'}":                        "plain text",
		"{listen: '0.0.0.0:8080'}":                 "plain text",
		"{listen: '0.0.0.0:8080', insecure: true}": "",
		"{listen: '8080'}":                         "host:port",
		"{listen: '127.0.0.1:http'}":               "host:port",
		"{listen: '127.0.0.1:99999'}":              "host:port",
		"{rate: 0}":                                "api.rate",
		"{max_body: 1GiB}":                         "api.max_body",
		"{tls_cert: x.pem}":                        "belong together",
		"{tls_cert: no.pem, tls_key: no.key}":      "no such file",
		"{listens: x}":                             "listens",
	} {
		path := filepath.Join(t.TempDir(), "recycler.yaml")
		text := "api: " + section + "\nclusters: [{name: a, channel: C0A, hosts: [{name: h}], approvers: {users: [U0A]}}]\n"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(path, tokens)
		if want == "" {
			require.NoError(t, err, section)
			continue
		}
		require.ErrorContains(t, err, want, section)
	}
}
