package configs

import (
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// documents reads every YAML document of a file.
func documents(t *testing.T, path string) []map[string]any {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var all []map[string]any
	for d := yaml.NewDecoder(f); ; {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, doc)
	}
}

// TestDeployConfigLoads loads the configuration that the Kubernetes manifests carry.
func TestDeployConfigLoads(t *testing.T) {
	t.Parallel()
	docs := documents(t, "deploy/kubernetes.yaml")
	require.Equal(t, "ConfigMap", docs[0]["kind"])
	text := docs[0]["data"].(map[string]any)["recycler.yaml"].(string)
	_, err := Load(write(t, text), tokens)
	require.NoError(t, err)
}

// TestDeployVariablesExist finds a variable that is set somewhere and read nowhere.
func TestDeployVariablesExist(t *testing.T) {
	t.Parallel()
	var known []string
	for name := range Variables() {
		known = append(known, name)
	}
	entries, err := os.ReadDir("deploy")
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	found := 0
	for _, e := range entries {
		text, err := os.ReadFile("deploy/" + e.Name())
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`RECYCLER_[A-Z_]+`).FindAllString(string(text), -1) {
			require.True(t, slices.Contains(known, name), "%s: %s", e.Name(), name)
			found++
		}
		if strings.HasSuffix(e.Name(), ".yaml") {
			require.NotEmpty(t, documents(t, "deploy/"+e.Name()), e.Name())
		}
	}
	require.GreaterOrEqual(t, found, 9)
}
