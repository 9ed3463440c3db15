package monitoring

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"drawbridge/e2e/testbed"

	"golang.org/x/sync/errgroup"
)

// fault is one thing that goes wrong, and the alerts that tell of it.
type fault struct {
	happens func(*world)
	alerts  []string
}

// fromTheStart are the alerts of what [start] leaves broken.
func fromTheStart() []string {
	return []string{"DrawbridgeProviderUnreachable", "DrawbridgeAuditDropped", "DrawbridgeConnectorUnavailable", "DrawbridgeErrors"}
}

// elsewhere are the alerts that cannot be seen here, since there always is a replica to
// scrape; the cases of promtool have them.
func elsewhere() []string { return []string{"DrawbridgeAbsent"} }

// faults are in an order in which each leaves the next one possible.
func faults() []fault {
	return []fault{
		{(*world).slowProgram, []string{"DrawbridgeSlow"}},
		{(*world).deadDirectory, []string{"DrawbridgeDirectoryHostOut"}},
		{(*world).guesses, []string{"DrawbridgeLoginsRefused"}},
		{(*world).denials, []string{"DrawbridgeAccessDenied"}},
		{(*world).otherPolicy, []string{"DrawbridgePoliciesDiffer"}},
		{(*world).brokenPolicy, []string{"DrawbridgeReloadFailing"}},
		{(*world).shortCertificate, []string{"DrawbridgeKeyExpires"}},
		{(*world).breakGlass, []string{"DrawbridgeBreakGlassArmed"}},
		{func(w *world) { w.redis.Kill() }, []string{"DrawbridgeRedisDown"}},
		{func(w *world) { w.postgres.Kill() }, []string{"DrawbridgeStoreDown", "DrawbridgeRevocationsStale", "DrawbridgeFeedLags"}},
		{func(w *world) { w.Servers[1].Stop() }, []string{"DrawbridgeDown"}},
	}
}

// alertsFollow breaks one part after the other. An alert that no fault moves fails the
// test, and so does one that speaks before its fault.
func (w *world) alertsFollow() {
	w.t.Helper()
	exprs, seen := map[string]string{}, map[string]bool{}
	for _, a := range alerts(w.t) {
		exprs[a.Name] = a.Expr
	}
	speaks := func(name string) bool { return len(w.prometheus.Query(exprs[name])) > 0 }
	for _, name := range fromTheStart() {
		seen[name] = true
		w.prometheus.Await(name, func() bool { w.traffic(); return speaks(name) })
	}
	for _, name := range elsewhere() {
		seen[name] = true
		if speaks(name) {
			w.t.Errorf("%s speaks with two replicas there", name)
		}
	}
	for _, f := range faults() {
		for _, name := range f.alerts {
			seen[name] = true
			if speaks(name) {
				w.t.Errorf("%s speaks before anything is wrong", name)
			}
		}
		f.happens(w)
		for _, name := range f.alerts {
			w.prometheus.Await(name+" speaks", func() bool { return speaks(name) })
		}
	}
	for name := range exprs {
		if !seen[name] {
			w.t.Errorf("no fault shows that %s speaks", name)
		}
	}
}

// inParallel does something n times, some at a time.
func inParallel(n, atOnce int, do func(i int)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { do(i); return nil })
	}
	_ = group.Wait() // nothing in it fails
}

// slowProgram has many logins wait for a connector's program.
func (w *world) slowProgram() {
	inParallel(processes, processes, func(i int) { w.Servers[0].Token(fmt.Sprintf("hr-slow-%d", i), "x") })
}

func (w *world) deadDirectory() {
	w.directory.Kill()
	w.Servers[0].Token("nobody-yet", "x")
}

// guesses are wrong passwords, in two goes, so that a rate sees them.
func (w *world) guesses() {
	for _, n := range []int{10, 80} {
		inParallel(n, 20, func(i int) { w.Servers[0].Token("local-admin", fmt.Sprintf("wrong-%d-%d", n, i)) })
		w.scraped(2)
	}
}

// denials are as many, in few requests.
func (w *world) denials() {
	for range 2 {
		inParallel(10, 5, func(int) {
			var scopes []string
			for i := range 20 {
				scopes = append(scopes, fmt.Sprintf("repository:forbidden/%d:pull,push", i))
			}
			w.Servers[0].Token("local-admin", "badmin", scopes...)
		})
		w.scraped(2)
	}
}

func (w *world) otherPolicy() { w.Servers[1].WriteFile("policy.yaml", policy+"# another one\n") }

func (w *world) brokenPolicy() {
	w.Servers[0].WriteFile("policy.yaml", "bindings: nonsense\n")
}

// shortCertificate is one that nobody has renewed.
func (w *world) shortCertificate() { w.certificate(3) }

// certificate gives both servers another certificate, for so many days.
func (w *world) certificate(days int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-days", strconv.Itoa(days), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", w.KeyFile, "-out", w.CertFile)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	for _, s := range w.Servers {
		s.CAFile = w.CertFile
		s.Await("the certificate is in use", func() bool {
			end := time.Unix(int64(s.Metrics()[`drawbridge_key_expiry_timestamp_seconds{role="tls",service=""}`]), 0)
			return end.Sub(time.Now().AddDate(0, 0, days)).Abs() < time.Hour
		})
	}
}

func (w *world) breakGlass() {
	out := testbed.RunDrawbridge(w.t, w.Servers[0].Dir, "", "breakglass", "arm", "--for", time.Hour.String(), "--reason", "a test", "--config", "drawbridge.yaml")
	if out.Code != 0 || !strings.Contains(out.Stdout+out.Stderr, "breakglass") {
		w.t.Fatalf("%+v", out)
	}
}
