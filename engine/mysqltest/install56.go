package mysqltest

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
)

func initialise56(context.Context, *server, *syscall.Credential, string, string) error {
	return os.ErrInvalid
}

// cachedServer finds a server that Install unpacked into the cache folder.
func cachedServer(ctx context.Context, f Flavor) (*server, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	s, err := unpackedServer(filepath.Join(cache, mysqlDir))
	if err != nil {
		return nil, err
	}
	return s, s.inspect(ctx)
}
