package admin_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
)

// asked is a request for a token in the audit log.
func asked(n int, who, group, scope string) audit.Event {
	e := audit.Event{
		Time: time.Now().Add(time.Duration(n-100) * time.Minute), ID: fmt.Sprintf("id-%03d", n), Action: audit.TokenIssued, Outcome: audit.Success,
		DecisionID: fmt.Sprintf("decision-%d", n), Service: "main", Requested: []string{scope},
	}
	e.User, e.Groups = who, []string{group}
	return e
}

func auditWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.desk.Events = w.store
	events := []audit.Event{
		asked(1, "corp/bob", "dev", "repository:payments/api:pull,push"),
		asked(2, "corp/mallory", "=cmd()", "repository:web/shop:pull"),
		asked(3, "corp/bob", "dev", "repository:payments/api:pull,push"),
	}
	events[0].PolicyRevision, events[2].PolicyRevision = "r0", "r1" // r1 is in force
	events[1].Action, events[1].Outcome, events[1].Reason = audit.TokenDenied, audit.Failure, "no_grant"
	if err := w.store.AppendAudit(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAudit(t *testing.T) {
	w := auditWorld(t)
	var ids []string
	for at := ""; ; {
		page := w.do("eve", "GET", "/api/v1/audit?limit=2&cursor="+at, "")
		if page.status != 200 {
			t.Fatalf("%d %s", page.status, page.text)
		}
		for _, e := range page.body["events"].([]any) {
			ids = append(ids, fmt.Sprint(e.(map[string]any)["event.id"]))
		}
		if page.body["next"] == nil {
			break
		}
		at = fmt.Sprint(page.body["next"])
	}
	if got := strings.Join(ids, " "); got != "id-003 id-002 id-001" {
		t.Errorf("pages: %s", got)
	}
	denied := w.do("eve", "GET", "/api/v1/audit?action=token_denied,login&outcome=failure&user=corp/mallory&since=2020-01-01T00:00:00Z", "")
	if list := denied.body["events"].([]any); len(list) != 1 || list[0].(map[string]any)["drawbridge.decision_id"] != "decision-2" {
		t.Errorf("filter: %s", denied.text)
	}
	for path, want := range map[string]int{
		"?action=logon": 422, "?outcome=bad": 422, "?cursor=x": 422, "?since=yesterday": 422, "?limit=0": 422, "?nonsense=1": 422,
	} {
		if a := w.do("eve", "GET", "/api/v1/audit"+path, ""); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	for _, path := range []string{"/audit", "/audit/csv", "/policy/hygiene"} {
		if a := w.do("bob", "GET", "/api/v1"+path, ""); a.status != 403 {
			t.Errorf("%s: bob is answered %d %s", path, a.status, a.text)
		}
		if a := w.do("lead", "GET", "/api/v1"+path, ""); a.status != 403 {
			t.Errorf("%s: a namespace owner is answered %d %s", path, a.status, a.text)
		}
	}
	w.desk.Events = nil
	if a := w.do("eve", "GET", "/api/v1/audit", ""); a.status != 409 || !strings.Contains(a.text, "audit.store") {
		t.Errorf("no events: %d %s", a.status, a.text)
	}
}

// The rules that decided are told of the policy in force alone.
func TestAuditNamesRules(t *testing.T) {
	w := auditWorld(t)
	a := w.do("eve", "GET", "/api/v1/audit?user=corp/bob", "")
	list := a.body["events"].([]any)
	if rules := fmt.Sprint(list[0].(map[string]any)["rule.id"]); len(list) != 2 || rules != "[dev]" || list[1].(map[string]any)["rule.id"] != nil {
		t.Errorf("%s", a.text)
	}
}

func TestAuditCSV(t *testing.T) {
	w := auditWorld(t)
	a := w.do("eve", "GET", "/api/v1/audit/csv?user=corp/mallory", "")
	rows, err := csv.NewReader(strings.NewReader(a.text)).ReadAll()
	if err != nil || a.status != 200 || len(rows) != 2 || rows[1][1] != "corp/mallory" || rows[1][8] != "'=cmd()" {
		t.Errorf("%d %q, %v", a.status, a.text, err)
	}
}

func TestHygiene(t *testing.T) {
	w := auditWorld(t)
	a := w.do("eve", "GET", "/api/v1/policy/hygiene", "")
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	unused := map[string]bool{}
	for _, b := range a.body["bindings"].([]any) {
		row := b.(map[string]any)
		unused[row["name"].(string)] = row["unused"].(bool)
		if used := row["last_used"] != nil; used != (row["name"] == "dev") {
			t.Errorf("%v", row)
		}
	}
	// admins, auditors and leads grant nothing in a registry.
	if !unused["web"] || unused["dev"] || unused["admins"] || unused["leads"] || len(unused) != 5 {
		t.Errorf("unused: %v", unused)
	}
	groups := fmt.Sprint(a.body["unknown_groups"])
	if groups != "[map[group:group:corp/web named_by:[web]]]" {
		t.Errorf("groups: %s", groups)
	}
}

// The plan of a draft replays what the audit log has.
func TestPlanReplaysTheAuditLog(t *testing.T) {
	w := auditWorld(t)
	w.desk.Recent = nil
	changed := strings.Replace(document, "name: dev, role: pusher", "name: dev, role: puller", 1)
	a := w.do("eve", "POST", "/api/v1/policy/plan", draft(changed))
	if a.status != 200 || a.body["replayed"] != 2.0 || !strings.Contains(fmt.Sprint(a.body["summary"]), "loses push on payments/**") {
		t.Errorf("%d %v, %v", a.status, a.body["replayed"], a.body["summary"])
	}
}
