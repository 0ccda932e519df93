package mysqltest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// GaleraLibrary is the path of the Galera provider that the distribution's MariaDB loads, on a
// machine where members can also copy each other's state; the error says how to install it.
func GaleraLibrary() (string, error) {
	for _, tool := range []string{"wsrep_sst_rsync", "rsync"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("no %s on this machine; install it with: .ci/deps galera", tool)
		}
	}
	for _, pattern := range []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib*/galera*/libgalera_smm.so", "/usr/lib/libgalera_smm.so"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("look for Galera: %w", err)
		}
		for _, f := range found {
			if _, err := os.Stat(f); err == nil {
				return f, nil
			}
		}
	}
	return "", errors.New("no libgalera_smm.so on this machine; install it with: .ci/deps galera")
}
