package configs

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Run with UPDATE_GOLDEN=1 to write what is printed now, and read the difference.
func TestABrokenFilePrintsEveryFault(t *testing.T) {
	const golden = "testdata/broken.txt"
	_, err := Load("testdata/broken.yaml", []string{"DRAWBRIDGE_LOG_FORMAT=xml", "DRAWBRIDGE_COLOUR=hunter2"})
	if err == nil {
		t.Fatal("the file is accepted")
	}
	got := err.Error() + "\n"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(got, "hunter2") {
		t.Error("a secret is printed")
	}
	if n := strings.Count(got, "\n"); n < 25 {
		t.Errorf("only %d faults", n)
	}
}
