package manage_test

import (
	"context"
	"testing"
	"time"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// directory knows everybody, and where their group is.
type directory struct{}

func (directory) Lookup(_ context.Context, id identity.Identity) (identity.Identity, error) {
	id.Groups = []string{"dev"}
	return id, nil
}

func (d directory) Describe(ctx context.Context, id identity.Identity) (identity.Identity, connectors.Description, error) {
	id, err := d.Lookup(ctx, id)
	return id, connectors.Description{GroupsFrom: "memberOf", GroupEntries: map[string][]string{"dev": {"cn=dev,ou=groups"}}}, err
}

// Whoever asks why is told where the groups come from and when; of groups that they
// gave themselves there is nothing to tell.
func TestGroupsComeFromSomewhere(t *testing.T) {
	w := newWorld(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	w.People, w.Clock = directory{}, func() time.Time { return at }
	auditor := manage.Operator("cli:root")
	for _, tt := range []struct {
		who    string
		groups []string
		want   *authz.GroupSource
	}{
		{"corp/bob", nil, &authz.GroupSource{Connector: "corp", At: at, How: "memberOf", Entries: map[string][]string{"dev": {"cn=dev,ou=groups"}}}},
		{"corp/bob", []string{"ops"}, nil},
		{"robot:ci", nil, nil},
		{"anonymous", nil, nil},
	} {
		e, err := w.Explain(t.Context(), auditor, manage.Question{Who: tt.who, Groups: tt.groups, Actions: "pull", Repository: "a/b"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, e.GroupsFrom); diff != "" {
			t.Errorf("explain %s: %s", tt.who, diff)
		}
		list, err := w.List(t.Context(), auditor, tt.who, tt.groups)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, list.GroupsFrom); diff != "" {
			t.Errorf("list %s: %s", tt.who, diff)
		}
	}
}
