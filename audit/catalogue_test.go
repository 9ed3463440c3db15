package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"drawbridge/audit"

	"github.com/google/go-cmp/cmp"
)

// constants are the values of the constants of the type Action, read from the source.
func constants(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Action" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, text)
		}
		return true
	})
	return found
}

func TestCatalogueHasEveryAction(t *testing.T) {
	var listed []string
	for _, entry := range audit.Catalogue() {
		listed = append(listed, string(entry.Action))
	}
	want := constants(t)
	if len(want) < 20 {
		t.Fatalf("the source has only %d actions", len(want))
	}
	slices.Sort(want)
	slices.Sort(listed)
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Error(diff)
	}
}

// What ECS allows with each category that is used here:
// https://www.elastic.co/guide/en/ecs/current/ecs-allowed-values-event-category.html
var allowed = map[string][]string{
	"authentication": {"start", "end", "info"},
	"api":            {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
	"configuration":  {"access", "change", "creation", "deletion", "info"},
	"iam":            {"admin", "change", "creation", "deletion", "group", "info", "user"},
	"session":        {"start", "end", "info"},
}

func TestCatalogueKeepsToECS(t *testing.T) {
	for _, entry := range audit.Catalogue() {
		if len(entry.Category) == 0 || len(entry.Type) == 0 || entry.Meaning == "" {
			t.Errorf("%s: category %v, type %v, meaning %q", entry.Action, entry.Category, entry.Type, entry.Meaning)
		}
		for _, category := range entry.Category {
			for _, kind := range entry.Type {
				if !slices.Contains(allowed[category], kind) {
					t.Errorf("%s: ECS does not know the type %s of the category %s", entry.Action, kind, category)
				}
			}
		}
	}
}

// docs/audit.md has the catalogue as a table, and nothing else in that table.
func TestDocumentedCatalogue(t *testing.T) {
	page, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "| `event.action` | `event.category` | `event.type` | what happened |\n|---|---|---|---|\n")
	if !found {
		t.Fatal("docs/audit.md has no catalogue")
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	var want []string
	for _, e := range audit.Catalogue() {
		want = append(want, "| `"+string(e.Action)+"` | "+strings.Join(e.Category, ", ")+" | "+strings.Join(e.Type, ", ")+" | "+e.Meaning+" |")
	}
	if diff := cmp.Diff(want, strings.Split(table, "\n")); diff != "" {
		t.Error(diff)
	}
}
