package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readDoc(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The table of rows in ARCHITECTURE.md is the one that the other test enforces.
func TestArchitectureHasTheRows(t *testing.T) {
	_, table, _ := strings.Cut(readDoc(t, "ARCHITECTURE.md"), "| row, bottom first | packages |")
	table, _, _ = strings.Cut(table, "\n\n")
	lines := strings.Split(strings.TrimSpace(table), "\n")[1:] // without the rule below the head
	if len(lines) != len(layers) {
		t.Fatalf("ARCHITECTURE.md has %d rows, this package %d", len(lines), len(layers))
	}
	quoted := regexp.MustCompile("`([a-z0-9/*{},]+)`")
	for i, line := range lines {
		var got []string
		for _, m := range quoted.FindAllStringSubmatch(line, -1) {
			got = append(got, expand(m[1], layers[i])...)
		}
		for _, p := range layers[i] {
			if !slices.Contains(got, p) {
				t.Errorf("row %d of ARCHITECTURE.md lacks %s", i, p)
			}
		}
		for _, p := range got {
			if !slices.Contains(layers[i], p) && p != "cmd/strm" {
				t.Errorf("row %d of ARCHITECTURE.md has %s, which is not placed there", i, p)
			}
		}
	}
}

// expand returns the packages that a name with {a,b} or /* stands for.
func expand(name string, row []string) []string {
	if dir, ok := strings.CutSuffix(name, "/*"); ok {
		var out []string
		for _, p := range row {
			if strings.HasPrefix(p, dir+"/") {
				out = append(out, p)
			}
		}
		return out
	}
	before, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	var out []string
	for _, x := range strings.Split(strings.TrimSuffix(rest, "}"), ",") {
		out = append(out, before+x)
	}
	return out
}

// Tests that ARCHITECTURE.md names as what holds an invariant are there.
func TestArchitectureNamesTestsThatExist(t *testing.T) {
	tests := map[string]bool{}
	for _, dir := range []string{"../../internal", "../../test", "../../cmd"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(b), -1) {
				tests[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(readDoc(t, "ARCHITECTURE.md"), -1)
	if len(named) < 10 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !tests[name] {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", name)
		}
	}
}

// Pages that are named in pages exist.
func TestDocsNamePagesThatExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(pages, "../../README.md", "../../ARCHITECTURE.md", "../../CHANGELOG.md", "../../CONTRIBUTING.md") {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`((?:docs/)?[A-Za-z-]+\\.md)`").FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", filepath.Base(p), m[1])
			}
		}
	}
}
