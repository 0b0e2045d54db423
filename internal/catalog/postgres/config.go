package postgres

import (
	"errors"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strm/internal/problem"
)

// idleLimit is how long the server lets a transaction stand still. Who stops in
// the middle of one (a paused process) keeps rows from others so long at most.
const idleLimit = 10 * time.Second

// settings of a session, unless the url has others: what the catalog's
// promises rest on, whatever the database's defaults are.
var settings = map[string]string{
	"application_name":                    "strm",
	"default_transaction_isolation":       "read committed",
	"idle_in_transaction_session_timeout": "10s", // idleLimit
}

// parse reads the url. No error of it holds a part of the url: which of its
// parts is the password is not known of one that is wrong.
func parse(url string) (*pgx.ConnConfig, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, problem.New(problem.Invalid, "catalog: a PostgreSQL catalog is named postgres://USER@HOST:PORT/DATABASE")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		var file *fs.PathError
		if errors.As(err, &file) {
			return nil, problem.New(problem.Invalid, "catalog: a file that the URL or the environment names: %w", file)
		}
		return nil, problem.New(problem.Invalid, "catalog: the URL postgres://... cannot be understood: "+
			"check sslmode and the other settings after the question mark, and write special characters of the password as %%XX, or give it in PGPASSWORD")
	}
	for name, value := range settings {
		if _, ok := config.RuntimeParams[name]; !ok {
			config.RuntimeParams[name] = value
		}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	// A network that was cut says nothing: without these a call would wait for
	// its answer for a quarter of an hour.
	config.DialFunc = (&net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         impatient,
	}).DialContext
	return config, nil
}
