package postgres

import (
	"strings"
	"testing"

	"strm/internal/problem"
)

func TestUsable(t *testing.T) {
	good := server{number: 130000, version: "13.0", encoding: "UTF8"}
	if err := good.usable(); err != nil {
		t.Error(err)
	}
	for name, tt := range map[string]struct {
		change func(*server)
		kind   problem.Kind
		words  string
	}{
		"old":      {func(s *server) { s.number, s.version = 120022, "12.22 (Debian)" }, problem.Conflict, "PostgreSQL 12.22 (Debian): strm needs 13 or later"},
		"very old": {func(s *server) { s.number, s.version = 90603, "9.6.3" }, problem.Conflict, "PostgreSQL 9.6.3: strm needs 13 or later"},
		"ascii":    {func(s *server) { s.encoding = "SQL_ASCII" }, problem.Conflict, "SQL_ASCII"},
		"standby":  {func(s *server) { s.standby = true }, problem.Unavailable, "primary"},
		"lazy":     {func(s *server) { s.lazy = true }, problem.Conflict, "synchronous_commit=on"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			tt.change(&s)
			if err := s.usable(); problem.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("kind %v: %v", problem.KindOf(err), err)
			}
		})
	}
}
