package layout_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"strm/internal/layout"
)

// The page for users names every layout and every variable.
func TestDocsNameEveryLayoutAndVariable(t *testing.T) {
	b, err := os.ReadFile("../../docs/layouts.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, name := range layout.Names() {
		if !strings.Contains(page, "\n| `"+name+"` |") {
			t.Errorf("docs/layouts.md has no row for layout %s", name)
		}
	}
	_, err = layout.Parse("{nothing}.{ext}")
	if err == nil {
		t.Fatal("an unknown variable was taken")
	}
	known := 0
	for _, v := range regexp.MustCompile(`\{[a-z_]+\}`).FindAllString(err.Error(), -1) {
		if v == "{nothing}" {
			continue
		}
		known++
		if !strings.Contains(page, "`"+v+"`") {
			t.Errorf("docs/layouts.md does not name the variable %s", v)
		}
	}
	if known < 10 {
		t.Errorf("the refusal of an unknown variable names %d that are known: %v", known, err)
	}
}
