package conformance

import (
	"fmt"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/store"

	"github.com/google/go-cmp/cmp"
)

func auditTests() map[string]func(t *testing.T, open Open) {
	return map[string]func(t *testing.T, open Open){
		"audit events come back":              testAuditComesBack,
		"audit events are filtered":           testAuditFilter,
		"audit events come in pages":          testAuditPages,
		"audit events are kept once":          testAuditOnce,
		"audit events take any text":          testAuditText,
		"audit events are counted":            testAuditCounts,
		"audit events are pruned by age":      testAuditPruneAge,
		"audit events are pruned by number":   testAuditPruneNumber,
		"audit events are refused incomplete": testAuditIncomplete,
	}
}

// auditEvent is the nth of a list, each a second after the one before.
func auditEvent(n int) audit.Event {
	return audit.Event{
		Time: time.UnixMilli(1_800_000_000_000).Add(time.Duration(n) * time.Second).UTC(), ID: fmt.Sprintf("id-%08x", n),
		Category: []string{"api"}, Type: []string{"access", "denied"}, Action: audit.TokenDenied, Outcome: audit.Failure, Reason: "no_grant",
		Personal:   audit.Personal{User: "corp/Alice", Target: "corp/Bob", Groups: []string{"dev"}, SourceIP: "192.0.2.7", UserAgent: "docker/29"},
		SessionID:  "session-1",
		DecisionID: fmt.Sprintf("decision-%d", n), Service: "main", PolicyRevision: "r7", Stale: true,
		Repositories: []string{"payments/api", "web/x_y"}, Requested: []string{"repository:payments/api:pull,push", "repository:web/x_y:pull"},
	}
}

func appendAudit(t *testing.T, s *store.Store, events ...audit.Event) {
	t.Helper()
	if err := s.AppendAudit(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// auditIDs are the decisions of what a filter finds.
func auditIDs(t *testing.T, s *store.Store, filter audit.Filter) (ids []string) {
	t.Helper()
	found, err := s.Audit(t.Context(), filter, audit.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		ids = append(ids, e.DecisionID)
	}
	return ids
}

func testAuditComesBack(t *testing.T, open Open) {
	s := open(t)
	appendAudit(t, s)
	appendAudit(t, s, auditEvent(1), auditEvent(2))
	got, err := open(t).Audit(t.Context(), audit.Filter{}, audit.Cursor{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]audit.Event{auditEvent(2), auditEvent(1)}, got); diff != "" {
		t.Error(diff)
	}
}

func testAuditFilter(t *testing.T, open Open) {
	s := open(t)
	other := auditEvent(2)
	other.Action, other.Outcome, other.Reason, other.SessionID = audit.Login, audit.Unknown, "unavailable", "session-2"
	other.Personal = audit.Personal{User: "robot:ci", SourceIP: "2001:db8::1"}
	other.Repositories = []string{"payments-old/api", "webpayments/api"}
	bare := audit.Event{Time: auditEvent(3).Time, ID: "bare", Action: audit.PolicySaved, Outcome: audit.Success, DecisionID: "bare"}
	appendAudit(t, s, auditEvent(1), other, bare)
	one, two := []string{"decision-1"}, []string{"decision-2"}
	for name, tt := range map[string]struct {
		filter audit.Filter
		want   []string
	}{
		"all":                      {audit.Filter{}, []string{"bare", "decision-2", "decision-1"}},
		"since, which is included": {audit.Filter{Since: other.Time}, []string{"bare", "decision-2"}},
		"until, which is not":      {audit.Filter{Until: other.Time}, one},
		"action":                   {audit.Filter{Actions: []audit.Action{audit.Login}}, two},
		"actions":                  {audit.Filter{Actions: []audit.Action{audit.Login, audit.TokenDenied}}, []string{"decision-2", "decision-1"}},
		"outcome":                  {audit.Filter{Outcome: audit.Unknown}, two},
		"reason":                   {audit.Filter{Reason: "no_grant"}, one},
		"user":                     {audit.Filter{User: "corp/ALICE"}, one},
		"no part of a user":        {audit.Filter{User: "alice"}, nil},
		"target":                   {audit.Filter{Target: "corp/bob"}, one},
		"repository":               {audit.Filter{Repository: "web/x_y"}, one},
		"no pattern":               {audit.Filter{Repository: "web/x%y"}, nil},
		"prefix":                   {audit.Filter{Repository: "payments/"}, one},
		"no part of a repository":  {audit.Filter{Repository: "payments/ap"}, nil},
		"decision":                 {audit.Filter{Decision: "decision-2"}, two},
		"session":                  {audit.Filter{Session: "session-2"}, two},
		"address":                  {audit.Filter{Address: "2001:db8::1"}, two},
		"several": {audit.Filter{
			User: "robot:ci", Outcome: audit.Unknown, Actions: []audit.Action{audit.Login}, Repository: "webpayments/api",
			Since: other.Time, Until: bare.Time, Address: "2001:db8::1", Session: "session-2",
		}, two},
		"nothing": {audit.Filter{User: "robot:ci", Outcome: audit.Success}, nil},
	} {
		if diff := cmp.Diff(tt.want, auditIDs(t, s, tt.filter)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// testAuditPages has events of one millisecond on both sides of a page's end.
func testAuditPages(t *testing.T, open Open) {
	s := open(t)
	var want []string
	for n := range 7 {
		e := auditEvent(n)
		e.Time = auditEvent(n / 3).Time
		appendAudit(t, s, e)
		want = append([]string{e.DecisionID}, want...)
	}
	var got []string
	for at := (audit.Cursor{}); ; {
		page, err := s.Audit(t.Context(), audit.Filter{User: "corp/alice"}, at, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			got = append(got, e.DecisionID)
		}
		if len(page) < 2 {
			break
		}
		if at, err = audit.ParseCursor(audit.CursorAt(page[1]).String()); err != nil {
			t.Fatal(err)
		}
		appendAudit(t, s, auditEvent(100+len(got))) // what is newer moves no page
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func testAuditOnce(t *testing.T, open Open) {
	s := open(t)
	for range 3 {
		appendAudit(t, s, auditEvent(1), auditEvent(2))
	}
	if got := auditIDs(t, s, audit.Filter{}); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func testAuditText(t *testing.T, open Open) {
	s := open(t)
	e := auditEvent(1)
	e.User, e.UserAgent, e.Note = "corp/a\x00b\xff'; DROP TABLE audit_events", "\x1b[2J\x00", "💻 \xff"
	appendAudit(t, s, e, auditEvent(2))
	if got := auditIDs(t, s, audit.Filter{User: "corp/a?b?'; DROP TABLE audit_events"}); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func testAuditPruneAge(t *testing.T, open Open) {
	s := open(t)
	const old = 2100 // more than one statement removes
	for n := 0; n < old; n += 300 {
		var batch []audit.Event
		for i := range 300 {
			e := auditEvent(n + i)
			e.Time = auditEvent(0).Time
			batch = append(batch, e)
		}
		appendAudit(t, s, batch...)
	}
	appendAudit(t, s, auditEvent(old))
	if n, err := s.PruneAudit(t.Context(), auditEvent(old).Time, 0); err != nil || n != old {
		t.Errorf("pruned %d, %v", n, err)
	}
	if got := auditIDs(t, s, audit.Filter{}); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

func testAuditPruneNumber(t *testing.T, open Open) {
	s := open(t)
	for n := range 5 {
		e := auditEvent(n)
		e.Time = auditEvent(n / 4).Time // the end falls between events of one time
		appendAudit(t, s, e)
	}
	for _, want := range []int64{0, 3, 0} {
		most := int64(2)
		if want == 0 && len(auditIDs(t, s, audit.Filter{})) == 5 {
			most = 5
		}
		if n, err := s.PruneAudit(t.Context(), time.UnixMilli(1), most); err != nil || n != want {
			t.Errorf("pruned %d of %d, %v", n, want, err)
		}
	}
	if diff := cmp.Diff([]string{"decision-4", "decision-3"}, auditIDs(t, s, audit.Filter{})); diff != "" {
		t.Error(diff)
	}
}

func testAuditIncomplete(t *testing.T, open Open) {
	s := open(t)
	if err := s.AppendAudit(t.Context(), []audit.Event{auditEvent(1), {Action: audit.Login}}); err == nil {
		t.Error("an event without a time was taken")
	}
	if got := auditIDs(t, s, audit.Filter{}); len(got) != 0 {
		t.Errorf("a part of it is there: %v", got)
	}
}

func testAuditCounts(t *testing.T, open Open) {
	s := open(t)
	hour := auditEvent(0).Time.Truncate(time.Hour)
	add := func(at time.Time, id string, action audit.Action, outcome audit.Outcome) {
		appendAudit(t, s, audit.Event{Time: at, ID: id, Action: action, Outcome: outcome})
	}
	add(hour.Add(-time.Millisecond), "too old", audit.Login, audit.Success)
	add(hour, "a", audit.Login, audit.Success)
	add(hour.Add(time.Hour-time.Millisecond), "b", audit.Login, audit.Success)
	add(hour.Add(time.Hour), "c", audit.Login, audit.Success)
	add(hour.Add(time.Hour), "d", audit.Login, audit.Failure)
	add(hour, "e", audit.TokenDenied, audit.Failure)
	add(hour, "f", audit.PolicySaved, audit.Success)
	want := []audit.Count{
		{At: hour, Action: audit.Login, Outcome: audit.Success, N: 2}, {At: hour, Action: audit.TokenDenied, Outcome: audit.Failure, N: 1},
		{At: hour.Add(time.Hour), Action: audit.Login, Outcome: audit.Failure, N: 1},
		{At: hour.Add(time.Hour), Action: audit.Login, Outcome: audit.Success, N: 1},
	}
	got, err := s.AuditCounts(t.Context(), hour, time.Hour, audit.Login, audit.TokenDenied)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := s.AuditCounts(t.Context(), hour, time.Hour); err != nil || len(got) != 0 {
		t.Errorf("of no action: %v, %v", got, err)
	}
}
