package admin_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"drawbridge/server/admin"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

// The description in the repository is that of the code: `make openapi` writes it.
func TestCommittedOpenAPI(t *testing.T) {
	const file = "../../docs/openapi.json"
	made, err := admin.OpenAPI("v1")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, made, "", "  "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil { //nolint:gosec // a page of the documentation
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, want.Bytes()) {
		t.Error("docs/openapi.json is not what the code describes: run make openapi")
	}
}
