package htpasswd

import (
	"os"
	"strings"
	"testing"

	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

var _ connectors.Rechecker = (*Connector)(nil)

func TestRecheckFollowsTheLine(t *testing.T) {
	line, other := "alice:"+hashOf(t, "wonderland", 4)+"\n", "bob:"+hashOf(t, "builder", 4)+"\n"
	c, _ := open(t, line+other, "dev: alice")
	version, ok := login(c, "alice", "wonderland").Version()
	if !ok || version == "" {
		t.Fatal("a grant has no version")
	}
	if bobs, _ := login(c, "bob", "builder").Version(); bobs == version {
		t.Error("two people have one version")
	}
	if strings.Contains(line, version) {
		t.Error("the version is a part of the hash")
	}
	alice := identity.Identity{Kind: identity.User, Connector: "local", Name: "alice"}
	becomes := func(users string) connectors.Outcome {
		t.Helper()
		if err := os.WriteFile(c.file, []byte(users), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Reload(); err != nil {
			t.Fatal(err)
		}
		return c.Recheck(t.Context(), alice, version)
	}
	want := alice
	want.Groups = []string{"dev"}
	if got := becomes("# moved\n" + other + line); got.Kind() != connectors.KindGranted || !cmp.Equal(got.Identity(), want) {
		t.Errorf("the same line: %s", got)
	}
	for name, users := range map[string]string{
		"another password":      "alice:" + hashOf(t, "looking-glass", 4) + "\n",
		"the same, hashed anew": "alice:" + hashOf(t, "wonderland", 4) + "\n",
		"another one's hash":    strings.Replace(other, "bob", "alice", 1),
	} {
		if got := becomes(users); got.Reason() != connectors.PasswordChanged {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, users := range map[string]string{"gone": other, "renamed": strings.Replace(line, "alice", "alice.b", 1), "empty": "\n"} {
		if got := becomes(users); got.Kind() != connectors.KindNotMine {
			t.Errorf("%s: %s", name, got)
		}
	}
}
