package catalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/problem"
)

// hung is a server that takes connections and then says nothing more.
type hung struct{ begun int }

func (h *hung) Connect(context.Context) (driver.Conn, error) { return h, nil }
func (h *hung) Driver() driver.Driver                        { return nil }
func (h *hung) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not asked for") }
func (h *hung) Begin() (driver.Tx, error)                    { return nil, errors.New("not asked for") }
func (h *hung) Close() error                                 { return nil }

func (h *hung) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	h.begun++
	<-ctx.Done()
	return nil, ctx.Err()
}

// A transaction that has used up its patience is not begun again.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		pool := sql.OpenDB(h)
		defer func() {
			if err := pool.Close(); err != nil {
				t.Error(err)
			}
		}()
		db := &DB{write: pool, dialect: Dialect{
			Patience: time.Minute,
			Again:    func(error) bool { return false },
			Fault:    func(error) (problem.Kind, string) { return problem.Internal, "" },
		}}
		began := time.Now()
		err := db.change(t.Context(), "do something", func(context.Context, tx) error { return nil })
		if problem.KindOf(err) != problem.Unavailable || h.begun != 1 || time.Since(began) != time.Minute {
			t.Errorf("begun %d times within %v: kind %v, %v", h.begun, time.Since(began), problem.KindOf(err), err)
		}
	})
}
