package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type document struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Title, Version string
	} `json:"info"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas         map[string]json.RawMessage `json:"schemas"`
		SecuritySchemes map[string]struct {
			Type, Scheme string
		} `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	OperationID string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Security    []map[string][]string `json:"security"`
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   json.RawMessage
	} `json:"parameters"`
	RequestBody *struct {
		Required bool
		Content  map[string]json.RawMessage
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string
		Content     map[string]json.RawMessage
	} `json:"responses"`
}

func openAPI(t *testing.T, s *site) (document, []byte) {
	t.Helper()
	a := s.send("GET", "/openapi.json", nil, "Authorization", "")
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "application/openapi+json") {
		t.Fatalf("status %d, %v", a.status, a.header)
	}
	var doc document
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatal(err)
	}
	return doc, a.body
}

// The document says what OpenAPI 3.1 asks for, and refers to nothing that is
// not in it.
func TestOpenAPIStructure(t *testing.T) {
	s := newSite(t)
	doc, text := openAPI(t, s)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || doc.Info.Title == "" || doc.Info.Version != "v9.9.9" {
		t.Errorf("version %q, info %+v", doc.OpenAPI, doc.Info)
	}
	for _, m := range regexp.MustCompile(`"\$ref":"([^"]+)"`).FindAllSubmatch(text, -1) {
		name, ok := strings.CutPrefix(string(m[1]), "#/components/schemas/")
		if _, known := doc.Components.Schemas[name]; !ok || !known {
			t.Errorf("reference to %s leads nowhere", m[1])
		}
	}
	if sch := doc.Components.SecuritySchemes["adminToken"]; sch.Type != "http" || sch.Scheme != "bearer" {
		t.Errorf("security scheme %+v", sch)
	}
	for name := range doc.Components.Schemas {
		if strings.HasPrefix(name, "Error") {
			t.Errorf("schema %s is not ours", name)
		}
	}
	var ids []string
	for path, item := range doc.Paths {
		for method, op := range item {
			where := method + " " + path
			if op.OperationID == "" || op.Summary == "" || slices.Contains(ids, op.OperationID) {
				t.Errorf("%s: id %q, summary %q", where, op.OperationID, op.Summary)
			}
			ids = append(ids, op.OperationID)
			checkParameters(t, where, path, op)
			if strings.HasPrefix(op.OperationID, "segment-") || strings.HasPrefix(op.OperationID, "split-") {
				if len(op.Security[len(op.Security)-1]) != 0 { // the key may be in the body or the path
					t.Errorf("%s: security %v", where, op.Security)
				}
				continue
			}
			if intake(op.OperationID) {
				if op.Security[0]["writeKey"] == nil {
					t.Errorf("%s: security %v", where, op.Security)
				}
				continue
			}
			if len(op.Security) != 1 || op.Security[0]["adminToken"] == nil {
				t.Errorf("%s: security %v", where, op.Security)
			}
			problem, ok := op.Responses["default"]
			if !ok || !strings.Contains(string(problem.Content["application/problem+json"]), "schemas/Problem") {
				t.Errorf("%s: default response %+v", where, problem)
			}
			if len(op.Responses) < 2 {
				t.Errorf("%s: no good response", where)
			}
			for code, r := range op.Responses {
				if r.Description == "" {
					t.Errorf("%s: response %s without description", where, code)
				}
			}
			if b := op.RequestBody; b != nil && (!b.Required || b.Content["application/json"] == nil) {
				t.Errorf("%s: body %+v", where, b)
			}
		}
	}
}

func checkParameters(t *testing.T, where, path string, op operation) {
	t.Helper()
	inPath := regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(path, -1)
	declared := 0
	for _, p := range op.Parameters {
		if len(p.Schema) == 0 {
			t.Errorf("%s: parameter %s has no schema", where, p.Name)
		}
		if p.In != "path" {
			continue
		}
		declared++
		if !p.Required || !strings.Contains(path, "{"+p.Name+"}") {
			t.Errorf("%s: path parameter %+v", where, p)
		}
	}
	if declared != len(inPath) {
		t.Errorf("%s: %d path parameters declared", where, declared)
	}
}

// The paths are what others script against: a change shows here.
func TestOpenAPIPaths(t *testing.T) {
	s := newSite(t)
	doc, _ := openAPI(t, s)
	var lines []string
	for path, item := range doc.Paths {
		for method, op := range item {
			var query []string
			for _, p := range op.Parameters {
				if p.In == "query" {
					query = append(query, p.Name)
				}
			}
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %s %s %s", path, strings.ToUpper(method), op.OperationID, strings.Join(query, ",")), " "))
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	file := filepath.Join("testdata", "paths.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("paths are\n%s\nwant\n%s", got, want)
	}
}

// intake says whether the operation is one of the ways in, which others serve.
func intake(id string) bool {
	return strings.HasPrefix(id, "send-event") || strings.HasPrefix(id, "segment-") || strings.HasPrefix(id, "split-")
}

// Every documented operation is served, and asks for the token.
func TestOpenAPIIsServed(t *testing.T) {
	s := newSite(t)
	doc, _ := openAPI(t, s)
	for path, item := range doc.Paths {
		real := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(path, "nope")
		for method, op := range item {
			if intake(op.OperationID) {
				continue // TestDocumentedIntakeIsServed of the server asks for it
			}
			s.refused(401, strings.ToUpper(method), real, nil, "Authorization", "")
			a := s.send(strings.ToUpper(method), real, nil)
			if a.status == 405 || a.status == 404 && strings.Contains(string(a.body), "there is nothing at") {
				t.Errorf("%s %s is not served: %s", method, path, a.body)
			}
		}
	}
	if a := s.send("GET", "/openapi.yaml", nil, "Authorization", ""); a.status != 200 || !strings.Contains(string(a.body), "openapi: 3.1.0") {
		t.Errorf("YAML: %d, %.80s", a.status, a.body)
	}
}
