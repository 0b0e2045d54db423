package postgres

import (
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"strm/internal/problem"
)

// Codes of PostgreSQL's errors (its manual, appendix A).
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	noDatabase           = "3D000"
	noSchema             = "3F000"
	unknownSetting       = "42704"
	badSetting           = "22023"
	noPrivilege          = "42501"
	readOnly             = "25006"
	diskFull             = "53100"
	tooManyConnections   = "53300"
	lockNotAvailable     = "55P03"
	notInCharacterSet    = "22021"
	idleInTransaction    = "25P03"
	queryCanceled        = "57014"
	damagedData          = "XX001"
	damagedIndex         = "XX002"
)

// connectError is a failure to connect. pgx tells each address and way that it
// tried on a line of its own; errors of strm have one line.
type connectError struct{ err error }

// Error returns the text in one line.
func (e *connectError) Error() string {
	return strings.ReplaceAll(strings.ReplaceAll(e.err.Error(), "\n\t", " "), "\n", " ")
}

// Unwrap returns pgx's error.
func (e *connectError) Unwrap() error { return e.err }

// code is the code of an error that the server has sent, empty for others.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

const adviceNoSchema = "create the schema that search_path names, or leave search_path out"

// fault classifies an error of a server that has worked before. Whatever keeps
// it from working now may pass, so it is Unavailable; refusal knows more.
func fault(err error) (problem.Kind, string) {
	switch code(err) {
	case "":
		if lost(err) {
			return problem.Unavailable, ""
		}
		return problem.Internal, ""
	case diskFull:
		return problem.Unavailable, "free space on the disk of the PostgreSQL server"
	case tooManyConnections:
		return problem.Unavailable, "raise max_connections of the PostgreSQL server, or the connection limit of the user or the database"
	case readOnly:
		return problem.Unavailable, "the server takes no writes, as a standby does: name the primary, or several hosts and target_session_attrs=read-write"
	case serializationFailure, deadlockDetected, lockNotAvailable:
		return problem.Busy, "other nodes are changing the same"
	case notInCharacterSet:
		return problem.Invalid, "PostgreSQL does not store this text"
	case damagedData, damagedIndex:
		return problem.Corrupt, "the PostgreSQL database is damaged; restore it from a backup"
	case idleInTransaction, queryCanceled:
		return problem.Unavailable, ""
	}
	if _, advice := refusal(err); advice != "" {
		return problem.Unavailable, advice // it is not the caller's doing
	}
	switch code(err)[:2] {
	case "08", "53", "57", "58": // connection, resources, an operator's doing, the system
		return problem.Unavailable, ""
	}
	return problem.Internal, ""
}

// lost reports whether err is one of the connection, not of what was asked.
func lost(err error) bool {
	var network net.Error
	var connect *connectError
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, net.ErrClosed) ||
		pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// refusal says why a server does not let us in, and how to mend it; advice is
// empty if that is not what err says.
func refusal(err error) (problem.Kind, string) {
	switch code(err) {
	case invalidPassword:
		return problem.Forbidden, "check user and password, in the URL, PGPASSWORD or the passfile"
	case invalidAuthorization:
		return problem.Forbidden, "let the user in from here: pg_hba.conf of the server, and sslmode in the URL"
	case noDatabase:
		return problem.Invalid, "create it: CREATE DATABASE strm ENCODING 'UTF8' TEMPLATE template0"
	case noPrivilege:
		return problem.Forbidden, "let the user make tables: GRANT CREATE, USAGE ON SCHEMA public TO the user, or make the user the database's owner"
	case unknownSetting, badSetting:
		return problem.Invalid, "check the settings after the question mark in the URL"
	case noSchema:
		return problem.Invalid, adviceNoSchema
	case tooManyConnections, readOnly, diskFull:
		return fault(err)
	}
	var certificate *tls.CertificateVerificationError
	switch text := err.Error(); {
	case errors.As(err, &certificate):
		return problem.Forbidden, "give the authority that signed the server's certificate as sslrootcert, and the host by the name in it"
	case strings.Contains(text, "server refused TLS connection"): // pgx has no name for it
		return problem.Forbidden, "turn on ssl at the PostgreSQL server, or, where the network is trusted, say sslmode=disable in the URL"
	}
	var connect *connectError
	if code(err) == "" && errors.As(err, &connect) {
		return problem.Unavailable, "check that the PostgreSQL server runs and that host and port in the URL are right"
	}
	return problem.Internal, ""
}
