package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const fixedToken = "eyJoIjoxfQ.eyJjIjoxfQ.c2ln"

func baselineServer(t *testing.T) *httptest.Server {
	t.Helper()
	handler, err := Baseline(fixedToken)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestLoadCountsWhatWasAnswered(t *testing.T) {
	var served atomic.Int64
	handler, err := Baseline(fixedToken)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, fresh := range []bool{false, true} {
		served.Store(0)
		got, err := Load{
			URL: server.URL, Conns: 4, Duration: time.Minute, MaxRequests: 100, NewConnections: fresh,
		}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Requests != 100 || served.Load() != 100 {
			t.Errorf("%d requests counted, %d served, want 100", got.Requests, served.Load())
		}
		if got.P50 <= 0 || got.P99 < got.P50 || got.Max < got.P99 || got.PerSecond() <= 0 || got.Bytes == 0 {
			t.Errorf("figures that cannot be: %+v", got)
		}
	}
}

func TestLoadEndsInTime(t *testing.T) {
	got, err := Load{URL: baselineServer(t).URL, Conns: 2, Duration: 20 * time.Millisecond}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Elapsed < 20*time.Millisecond {
		t.Errorf("ended after %v", got.Elapsed)
	}
}

// A server that refuses quickly must not look like a fast one.
func TestLoadFailsOnAnyOtherAnswer(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"401": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"token":"ey"}`, http.StatusUnauthorized) },
		"no token": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"token":""}`))
		},
	} {
		server := httptest.NewServer(handler)
		_, err := Load{URL: server.URL, Conns: 2, Duration: time.Minute}.Run(t.Context())
		if !errors.Is(err, errAnswer) {
			t.Errorf("%s: got %v", name, err)
		}
		server.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Load{URL: "http://127.0.0.1:1", Conns: 1, Duration: time.Minute}).Run(ctx); err == nil {
		t.Error("an ended context is no error")
	}
}

func TestSummaryIsNearestRank(t *testing.T) {
	var samples []time.Duration
	for i := 100; i >= 1; i-- {
		samples = append(samples, time.Duration(i))
	}
	got, err := summary(samples, time.Second)
	if err != nil || got.P50 != 50 || got.P99 != 99 || got.Max != 100 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := summary([]time.Duration{7}, time.Second); err != nil || got.P50 != 7 || got.P99 != 7 {
		t.Errorf("one sample: got %+v, %v", got, err)
	}
	if _, err := summary(nil, time.Second); err == nil {
		t.Error("no sample is no error")
	}
}

func TestBaselineSigns(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signES256(key, "header.claims")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "header.claims."))
	if err != nil || len(raw) != 64 {
		t.Fatalf("a signature of %d bytes: %v", len(raw), err)
	}
	sum := sha256.Sum256([]byte("header.claims"))
	if !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
		t.Error("the signature does not verify: the baseline would do less than it says")
	}
	if _, err := Baseline("no token"); err == nil {
		t.Error("a text that is no token is accepted")
	}
	rec := httptest.NewRecorder()
	handler, _ := Baseline(fixedToken)
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	var answer struct{ Token string }
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || !strings.HasPrefix(answer.Token, "eyJoIjoxfQ.eyJjIjoxfQ.") {
		t.Errorf("answered %s: %v", rec.Body, err)
	}
}

func TestProcess(t *testing.T) {
	page := httptest.NewServer(http.NotFoundHandler())
	page.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	defer page.Close()
	script := `trap 'exit 0' TERM; echo starting >&2; echo "ready h:1 ` + strings.TrimPrefix(page.URL, "http://") + `" >&2
while :; do sleep 0.01; done`
	p, err := Start(t.Context(), exec.CommandContext(t.Context(), "sh", "-c", script), "http", regexp.MustCompile(`^ready (\S+) (\S+)$`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if p.URL != "http://h:1" || p.Ready <= 0 {
		t.Errorf("got %q after %v", p.URL, p.Ready)
	}
	if now, peak, err := p.Memory(); err != nil || now <= 0 || peak < now {
		t.Errorf("memory: %d, %d, %v", now, peak, err)
	}
	if cpu, err := p.CPU(); err != nil || cpu < 0 {
		t.Errorf("CPU: %v, %v", cpu, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	_, err = Start(t.Context(), exec.CommandContext(t.Context(), "sh", "-c", "echo why it failed >&2"), "http", regexp.MustCompile("never"))
	if err == nil || !strings.Contains(err.Error(), "why it failed") {
		t.Errorf("a program that ends at once: got %v", err)
	}
}

func TestOwnCPUIsCounted(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: &exec.Cmd{Process: self}}
	for before, sum := time.Now(), [32]byte{}; ; sum = sha256.Sum256(sum[:]) {
		if cpu, err := p.CPU(); err != nil {
			t.Fatal(err)
		} else if cpu > 0 {
			return
		}
		if time.Since(before) > time.Minute {
			t.Fatal("a minute of work is not counted")
		}
	}
}

func TestMarkdown(t *testing.T) {
	r := &Report{
		Rows:  []Row{{What: "anonymous", Result: Result{Requests: 10, Elapsed: time.Second, P50: 1500 * time.Microsecond, P99: 250 * time.Microsecond}}},
		Micro: []Micro{{Name: "authz: Decide", NsPerOp: "1", AllocPerOp: "0"}},
	}
	text := r.Markdown()
	for _, want := range []string{"| anonymous | 10 | 1.5 ms | 250 µs |", "| authz: Decide | 1 | 0 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
