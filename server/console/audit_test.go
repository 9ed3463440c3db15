package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/bridge/manage"

	"github.com/prometheus/client_golang/prometheus"
)

// happened puts events into the store, each a minute before the one after it.
func (w *world) happened(events ...audit.Event) {
	w.t.Helper()
	for i := range events {
		events[i].ID = fmt.Sprintf("id-%04d", i)
		events[i].Time = w.clock().Add(time.Duration(i-len(events)) * time.Minute).UTC()
	}
	if err := w.store.AppendAudit(w.t.Context(), events); err != nil {
		w.t.Fatal(err)
	}
}

func denial(user, repository string) audit.Event {
	return audit.Event{
		Action: audit.TokenDenied, Outcome: audit.Failure, Reason: "no_grant", Service: "main", DecisionID: "d-" + user,
		Personal:     audit.Personal{User: "corp/" + user, SourceIP: "192.0.2.9", Groups: []string{"dev"}},
		Repositories: []string{repository}, Requested: []string{"repository:" + repository + ":push"},
	}
}

func TestAuditPage(t *testing.T) {
	w := newWorld(t)
	const evil = `<script>alert(1)</script>`
	w.happened(
		denial("bob", "payments/api"), denial("carol", "web/shop"),
		audit.Event{Action: audit.Login, Outcome: audit.Success, Personal: audit.Personal{User: "corp/" + evil}, SessionID: evil, DecisionID: evil},
		audit.Event{Action: audit.PolicySaved, Outcome: audit.Success, Personal: audit.Personal{User: "corp/root", Target: evil}, Note: evil, PolicyRevision: "r1"},
		denial(evil, evil),
	)
	b := w.as("eve")
	all := b.get("/console/audit")
	all.expect(t, "all", http.StatusOK, "corp/bob", "repository:payments/api:push", "policy_saved", "&lt;script&gt;")
	for _, path := range []string{"/console/audit", "/console/audit?format=csv", "/console/"} {
		if a := b.get(path); strings.Contains(a.text, evil) && !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") {
			t.Errorf("%s holds a script:\n%s", path, a.text)
		}
	}
	if faults := sound(all.text); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	only := b.get("/console/audit?action=token_denied&repository=payments/&user=corp/BOB&outcome=failure&since=2020-01-01T00:00")
	if only.expect(t, "filtered", http.StatusOK, "corp/bob"); strings.Contains(only.text, "corp/carol") {
		t.Error("the filter does not apply")
	}
	b.get("/console/audit?decision=d-carol").expect(t, "one decision", http.StatusOK, "web/shop")
	b.get("/console/audit?user=corp/nobody").expect(t, "none", http.StatusOK, "No event matches")
	for _, query := range []string{"action=fly", "outcome=maybe", "since=soon", "until=x", "cursor=x"} {
		b.get("/console/audit?"+query).expect(t, query, http.StatusUnprocessableEntity, "That cannot be done")
	}
	csv := b.get("/console/audit?user=corp/bob&format=csv")
	csv.expect(t, "CSV", http.StatusOK, "corp/bob,token_denied,repository:payments/api:push,failure,no_grant,192.0.2.9,d-bob,main")
	if strings.Count(csv.text, "\n") != 2 {
		t.Errorf("CSV:\n%s", csv.text)
	}
}

func TestAuditPagesOn(t *testing.T) {
	w := newWorld(t)
	var events []audit.Event
	for i := range 150 {
		events = append(events, denial(fmt.Sprintf("user%03d", i), "a/b"))
	}
	w.happened(events...)
	b := w.as("eve")
	first := b.get("/console/audit?outcome=failure")
	first.expect(t, "the newest", http.StatusOK, "user149", "user050", "Older events")
	if strings.Contains(first.text, "user049") {
		t.Error("the first page has too many")
	}
	_, rest, _ := strings.Cut(first.text, `<a href="/console/audit?cursor=`)
	next, _, found := strings.Cut(rest, `"`)
	if !found {
		t.Fatal("no link to the next page")
	}
	b.get("/console/audit?cursor="+strings.ReplaceAll(next, "&amp;", "&")).expect(t, "the oldest", http.StatusOK, "user049", "user000")
}

func TestOverview(t *testing.T) {
	w := newWorld(t)
	w.save(strings.Replace(document, "guardrails:", `  - {name: old, role: puller, subjects: [anonymous], repositories: ["x/**"], expires: 2020-01-01T00:00:00Z}
guardrails:`, 1))
	w.happened(denial("bob", "payments/api"), audit.Event{Action: audit.Login, Outcome: audit.Success, Personal: audit.Personal{User: "corp/bob"}},
		audit.Event{Action: audit.Login, Outcome: audit.Failure})
	a := w.as("eve").get("/console/")
	a.expect(t, "the overview", http.StatusOK, ">r2<", "The binding old expired on 2020-01-01", "Connector corp is degraded",
		`<svg class="chart"`, "1 logins, 2 refused", "As a table")
	if faults := sound(a.text); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	w.as("eve").get("/console/people").expect(t, "groups", http.StatusOK, "nobody had it")
	old := denial("bob", "payments/api")
	old.ID, old.Time = "old", w.clock().Add(-60*24*time.Hour)
	if err := w.store.AppendAudit(t.Context(), []audit.Event{old}); err != nil {
		t.Fatal(err)
	}
	w.set(func() { w.now = w.now.Add(2 * time.Minute) }) // what was found out is remembered for a while
	w.as("eve").get("/console/").expect(t, "months later", http.StatusOK, "had group:corp/auditors, group:corp/web", "bindings were not used")
	w.handler.Desk.Events = nil
	w.set(func() { w.now = w.now.Add(2 * time.Minute) })
	w.as("eve").get("/console/").expect(t, "without events", http.StatusOK, "audit.store is false")
}

// What the process measures about itself is on the overview.
func TestOverviewReadsMetrics(t *testing.T) {
	w := newWorld(t)
	metrics := prometheus.NewRegistry()
	for name, value := range map[string]float64{
		"drawbridge_store_up": 0, "drawbridge_feed_fresh": 1, "drawbridge_audit_dropped_total": 3,
		"drawbridge_key_expiry_timestamp_seconds": float64(w.clock().Add(time.Hour).Unix()),
	} {
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "x"})
		gauge.Set(value)
		metrics.MustRegister(gauge)
	}
	h := w.newHandler()
	h.Metrics = metrics
	h.Door = &manage.Door{Connectors: w, Desk: h.Desk}
	w.url = w.serve(h)
	w.as("eve").get("/console/").expect(t, "the overview", http.StatusOK, "Store is down", "3 audit events were lost", "expires on", "Revocations")
}
