package dbconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Class tells why a server could not be reached.
type Class string

// Classes of connection trouble.
const (
	ClassRefused  Class = "refused"  // nobody listens there
	ClassTimeout  Class = "timeout"  // no answer in time
	ClassAuth     Class = "auth"     // account or host refused by the server
	ClassDNS      Class = "dns"      // the name does not resolve
	ClassTLS      Class = "tls"      // no TLS, or a certificate that does not fit
	ClassBusy     Class = "busy"     // too many connections
	ClassLost     Class = "lost"     // the connection broke
	ClassSecret   Class = "secret"   // the password could not be read
	ClassIdentity Class = "identity" // another server answered than before
	ClassOther    Class = "other"
)

// Temporary reports whether another attempt soon may succeed.
func (c Class) Temporary() bool {
	return c == ClassRefused || c == ClassTimeout || c == ClassBusy || c == ClassLost
}

// NotAllowedError says that an address is neither configured nor fits the allow list; nothing was
// resolved, dialled or sent.
type NotAllowedError struct {
	Addr    Addr
	Cluster string
}

// Error implements error.
func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("open %s: not in the allow list of cluster %s", e.Addr, e.Cluster)
}

// Sentence says it to people.
func (e *NotAllowedError) Sentence() string {
	return fmt.Sprintf("%s is not in the allow list of %s, so it was not contacted.", e.Addr, e.Cluster)
}

// Hint says what to do.
func (e *NotAllowedError) Hint() string {
	return "Add the host to the cluster's hosts or a fitting pattern to its allow list."
}

// ConnectError says that a server could not be reached or was not the one expected.
type ConnectError struct {
	Name  string
	Addr  Addr
	Class Class
	Err   error
}

// Error implements error.
func (e *ConnectError) Error() string { return fmt.Sprintf("open %s: %s: %v", e.Name, e.Class, e.Err) }

// Unwrap gives the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// Sentence says it to people, without addresses of ours or texts of the driver.
func (e *ConnectError) Sentence() string { return fmt.Sprintf("%s %s.", e.Name, e.Words()) }

// Words is the reason alone, to stand behind a host's name: "does not answer (timeout)".
func (e *ConnectError) Words() string {
	switch e.Class {
	case ClassRefused:
		return "refuses connections (nobody listens there)"
	case ClassTimeout:
		return "does not answer in time"
	case ClassAuth:
		return fmt.Sprintf("refuses our account (error %d)", Code(e.Err))
	case ClassDNS:
		return "has a name that does not resolve"
	case ClassTLS:
		return "cannot be reached with TLS as configured"
	case ClassBusy:
		return "has too many connections"
	case ClassLost:
		return "closes the connection"
	case ClassSecret:
		return "was not contacted: the password could not be read"
	case ClassIdentity:
		return "answers as another server than before"
	}
	if code := Code(e.Err); code != 0 {
		return fmt.Sprintf("answers with error %d", code)
	}
	return "cannot be reached"
}

// Hint says what to do.
func (e *ConnectError) Hint() string {
	switch e.Class {
	case ClassRefused, ClassTimeout, ClassLost:
		return "Check that the server runs, its port, and the network between."
	case ClassAuth:
		return "Check the account, its password and the host it may connect from."
	case ClassDNS:
		return "Check the name in the configuration, or what the server reports as report_host."
	case ClassTLS:
		return "Check the server's certificate and the cluster's tls settings."
	case ClassBusy:
		return "Wait, or raise max_connections on the server."
	case ClassSecret:
		return "Check the password's file or environment variable."
	case ClassIdentity:
		return "Connect to the server itself, not through a proxy or a moving address; discover again."
	}
	return "See the log for the server's answer."
}

// errIdentity is the cause of ClassIdentity.
var errIdentity = errors.New("the server has another identity")

// errSecret is the cause of ClassSecret; it never wraps the secret's own error text in a message
// for people.
var errSecret = errors.New("read the password")

// connectError wraps a dial error with its class.
func connectError(name string, addr Addr, err error) error {
	return &ConnectError{Name: name, Addr: addr, Class: classify(err), Err: err}
}

// authCodes refuse an account or a host: access denied in its forms, no such database for it, the
// host, the way to log in, a password that expired, an account that is locked.
var authCodes = []uint16{1044, 1045, 1129, 1130, 1142, 1227, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 3878, 4151}

// classify tells the class of a connection error.
func classify(err error) Class {
	var dns *net.DNSError
	var netErr net.Error
	switch code := Code(err); {
	case errors.Is(err, errIdentity):
		return ClassIdentity
	case errors.Is(err, errSecret):
		return ClassSecret
	case code == 1040 || code == 1203 || code == 1226: // ER_CON_COUNT, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
		return ClassBusy
	case code == 1053: // ER_SERVER_SHUTDOWN
		return ClassLost
	case slices.Contains(authCodes, code):
		return ClassAuth
	case code != 0:
		return ClassOther // it answers, but not what we asked
	case errors.As(err, &dns):
		return ClassDNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case isTLS(err):
		return ClassTLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		errors.As(err, &netErr) && netErr.Timeout():
		return ClassTimeout
	case Lost(err):
		return ClassLost
	}
	return ClassOther
}

// isTLS reports whether an error is about TLS or a certificate.
func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.Is(err, mysql.ErrNoTLS) || errors.As(err, &verify) || errors.As(err, &record) ||
		errors.As(err, &alert) || errors.As(err, &unknown) || errors.As(err, &host)
}

// Code is the MySQL error number in an error, 0 if there is none.
func Code(err error) uint16 {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return my.Number
	}
	return 0
}

// Lost reports whether an error means that the connection broke: the statement sent last may
// still run on the server and must be looked for, never sent again blindly.
func Lost(err error) bool {
	if err == nil || Code(err) != 0 {
		return false
	}
	var netErr *net.OpError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr)
}
