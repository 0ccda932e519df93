package dbconn

import (
	"context"
	"crypto/tls"
	"database/sql"
	"time"
)

// Flavor is the family a server belongs to, told by the text "MariaDB" in @@version.
// A major version is never used for it: MySQL 26.7 follows 9.7.
type Flavor string

// The flavors the dialect knows.
const (
	MySQL   Flavor = "mysql"
	MariaDB Flavor = "mariadb"
)

// Version is what a server says of itself in @@version.
type Version struct {
	Flavor Flavor `json:"flavor"`
	Major  int    `json:"major"`
	Minor  int    `json:"minor"`
	Patch  int    `json:"patch"`
	Raw    string `json:"raw"`
}

// Addr is where a server listens.
type Addr struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// Host is a server known by the name people type, and where it listens.
type Host struct {
	Name string
	Addr Addr
}

// Access says which servers belong to one cluster and how they are reached. It is the only
// holder of credentials: whoever wants a connection asks Open, and Open refuses an address
// outside Hosts and Allow before the name is resolved and before a credential is read.
type Access struct {
	Cluster     string
	User        string
	Password    func() (string, error) // read at each dial, so that a rotated secret is picked up
	TLS         *tls.Config            // nil: no TLS
	Hosts       []Host
	Allow       []string // glob patterns of host names and addresses that discovery may follow
	DialTimeout time.Duration
	ReadTimeout time.Duration // bound of one read statement; a rebuild is never bounded by it
}

// Server is one reached server: identity and version are read once, when it is opened.
// It holds a small pool for reading; statements that change anything run on a Session.
type Server struct {
	Name     string // configured name, or host:port
	Addr     Addr
	Identity Identity
	ServerID uint32
	Version  Version
	db       *sql.DB
	access   *Access
}

// Identity is a server's own name for itself: @@server_uuid on MySQL; on MariaDB, which has
// none, a digest of server_id, hostname, port and datadir.
type Identity string

// Session is one pinned connection: what was asked on it and what runs on it meet the same server.
// It never reconnects; a lost connection is an error the caller must look into.
type Session struct {
	ID     uint64 // CONNECTION_ID()
	Server *Server
	conn   *sql.Conn
}

// Querier is what reading code needs; Server and Session both are one.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
