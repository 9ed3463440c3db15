package htpasswd

import (
	"strings"
	"testing"

	"drawbridge/connectors"
)

func TestDescribe(t *testing.T) {
	hash := hashOf(t, "secret", 4)
	c, _ := open(t, "# people\nbob:"+hash+"\nalice:"+hash+"\n", "dev: alice\n")
	out, d := c.Describe(t.Context(), "alice")
	if out.Kind() != connectors.KindGranted || strings.Join(out.Identity().Groups, ",") != "dev" || out.Identity().Method != "" {
		t.Errorf("got %v", out)
	}
	if !strings.HasSuffix(d.Entry, "users:3") || !strings.HasSuffix(d.GroupsFrom, "groups") {
		t.Errorf("got %+v", d)
	}
	for _, unknown := range []string{"carol", "Alice", "", "*"} {
		if out, d := c.Describe(t.Context(), unknown); out.Kind() != connectors.KindNotMine || d.Entry != "" {
			t.Errorf("%q: got %v, %+v", unknown, out, d)
		}
	}
}
