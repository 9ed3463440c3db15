package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/xeipuuv/gojsonschema"
)

// The test's own program is described: valid by CycloneDX's schema, with every module
// of it and no other, and twice the same.
func TestBillOfMaterials(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run([]string{"-version", "v1.2.3", program}, out); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("two descriptions of one program differ")
	}
	validate(t, first.Bytes())

	var bom struct {
		SpecVersion string
		Components  []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal(first.Bytes(), &bom); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, c := range bom.Components {
		listed[c.Name+"@"+c.Version] = true
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || len(info.Deps) == 0 {
		t.Fatal("the test's program names no module")
	}
	for _, dep := range info.Deps {
		if !listed[dep.Path+"@"+dep.Version] {
			t.Errorf("%s %s is in the program and not in its bill", dep.Path, dep.Version)
		}
	}
	if want := len(info.Deps) + 1; len(bom.Components) != want {
		t.Errorf("%d components, want the modules and the standard library: %d", len(bom.Components), want)
	}
}

// validate holds a document against the schema that the library's module ships.
func validate(t *testing.T, document []byte) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(out)), "schema")
	loader := gojsonschema.NewSchemaLoader()
	// The schema refers to these by their published addresses.
	for _, name := range []string{"spdx.schema.json", "jsf-0.82.schemax.json"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		published := "http://cyclonedx.org/schema/" + strings.Replace(name, "schemax", "schema", 1)
		if err := loader.AddSchema(published, gojsonschema.NewBytesLoader(text)); err != nil {
			t.Fatal(err)
		}
	}
	var head struct{ SpecVersion string }
	if err := json.Unmarshal(document, &head); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "bom-"+head.SpecVersion+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := loader.Compile(gojsonschema.NewBytesLoader(text))
	if err != nil {
		t.Fatal(err)
	}
	result, err := schema.Validate(gojsonschema.NewBytesLoader(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range result.Errors() {
		t.Error(fault)
	}
}

func TestRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"-version", "v1"}, {"-version", "v1", text}, {"-version", "v1", text + "-none"}} {
		if err := run(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
