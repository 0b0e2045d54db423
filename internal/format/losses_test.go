package format_test

import (
	"fmt"
	"strings"
	"testing"

	"strm/internal/format"
)

func TestLossesOfManyFiles(t *testing.T) {
	var all format.Losses
	for i := range 150 {
		all.Add(&format.Losses{Nulled: 2, Others: 1, Undeclared: []format.Undeclared{{Path: "often", Members: 3}, {Path: fmt.Sprintf("k%03d", i), Members: 1}}})
	}
	if all.Nulled != 300 || all.Members() != 150*(1+3+1) || len(all.Undeclared) != format.MaxUndeclared {
		t.Errorf("%d nulled, %d members, %d paths", all.Nulled, all.Members(), len(all.Undeclared))
	}
	if u := all.Undeclared[0]; u.Path != "often" || u.Members != 450 {
		t.Errorf("first %+v", u)
	}
	if got := all.Names(); !strings.HasPrefix(got, "often, k000, k001, ") || !strings.HasSuffix(got, ", k006, ...") {
		t.Errorf("names %s", got)
	}
	long := format.Losses{Undeclared: []format.Undeclared{{Path: strings.Repeat("é", 100), Members: 1}}}
	if got := long.Names(); got != strings.Repeat("é", 32)+"..." {
		t.Errorf("a long name: %s", got)
	}
}
