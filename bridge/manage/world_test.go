package manage_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/authz"
	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
	"drawbridge/store"
	"drawbridge/store/feed"
	"drawbridge/tokens"
)

const document = `bindings:
  - {name: admins, role: policy-admin, subjects: ["user:corp/root"]}
  - {name: auditors, role: auditor, subjects: ["user:corp/eve"]}
  - {name: leads, role: namespace-owner, subjects: ["group:corp/leads"], repositories: ["payments/**"]}
  - {name: ci, role: pusher, subjects: ["robot:payments-ci"], repositories: ["payments/**"]}
  - {name: far, role: puller, subjects: ["robot:payments-far"], repositories: ["base/**"]}
`

// world is a desk with a real store.
type world struct {
	*manage.Desk
	t      *testing.T
	store  *store.Store
	policy *authz.Policy
	keys   fakeKeys
	mu     sync.Mutex
	events []audit.Event
}

// Record implements [manage.Recorder].
func (w *world) Record(e audit.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// Act implements [manage.Recorder].
func (w *world) Act(_ context.Context, e audit.Event) { w.Record(e) }

// took returns the events since, as action, outcome and target.
func (w *world) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []string{}
	for _, e := range w.events {
		text := string(e.Action) + " " + string(e.Outcome) + " " + e.User + " " + e.Target + e.SessionID + e.DecisionID
		if e.SourceIP != "192.0.2.1" || e.RequestID != "req" {
			text += " from nowhere"
		}
		list = append(list, text)
	}
	w.events = nil
	return list
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	doc, err := authz.Parse("policy", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := doc.Compile(authz.Options{HomeConnector: "corp"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, policy: policy}
	w.Desk = &manage.Desk{
		InForce: func() bridge.Revision { return bridge.Revision{ID: "r1", Policy: policy, Text: document} },
		Robots:  s, Sessions: s, Changes: feed.NewWriter(feed.WriterOptions{Store: s, Log: slog.New(slog.DiscardHandler)}),
		RobotTTL: 365 * 24 * time.Hour, Keys: &w.keys, Connectors: []manage.Connector{{Name: "corp", Type: "ldap", Match: "*"}},
		Audit: w, Clock: time.Now,
	}
	return w
}

// actor is somebody at the door, with the rights that the policy gives them.
func (w *world) actor(name string, groups ...string) manage.Actor {
	id := identity.Identity{Kind: identity.User, Connector: "corp", Name: name, Groups: groups}
	subject := w.policy.Subject(id)
	return manage.Actor{
		Name: id.String(), Identity: id, Capabilities: w.policy.Capabilities(&subject, time.Now()),
		Address: "192.0.2.1", RequestID: "req",
	}
}

// changes returns how many changes the store has announced.
func (w *world) changes() int {
	w.t.Helper()
	list, _, err := w.store.ChangesSince(context.Background(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func kindOf(err error) identity.ErrorKind { return identity.AsError(err).Kind }

// fakeKeys are two leaves and a CA.
type fakeKeys struct{ rolled []string }

func (k *fakeKeys) List(context.Context) ([]tokens.KeyInfo, error) {
	return []tokens.KeyInfo{
		{KeyID: "ca", Role: tokens.RoleCA, State: tokens.ShownSigning},
		{KeyID: "one", Role: tokens.RoleLeaf, State: tokens.ShownSigning},
		{KeyID: "old", Role: tokens.RoleLeaf, State: tokens.ShownVerifying, Until: time.Now()},
	}, nil
}

func (k *fakeKeys) RollLeaves(_ context.Context, o tokens.Order) ([]tokens.Record, error) {
	k.rolled = append(k.rolled, o.By+" "+o.Reason)
	return []tokens.Record{{KeyID: "one"}}, nil
}

func (k *fakeKeys) RevokeLeaves(_ context.Context, o tokens.Order) ([]tokens.Record, error) {
	k.rolled = append(k.rolled, "revoke "+o.By+" "+o.Reason)
	return []tokens.Record{{KeyID: "one"}, {KeyID: "old"}}, nil
}
