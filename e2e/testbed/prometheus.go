package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Prometheus is a running Prometheus server on loopback, which ends with the test.
type Prometheus struct {
	URL string

	t    testing.TB
	proc *process
}

// Sample is one series of an answer, with its newest value.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// StartPrometheus runs Prometheus with the configuration and the files beside it, by
// name, such as rules, and waits until it is ready.
func StartPrometheus(t testing.TB, config string, files map[string]string) *Prometheus {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("prometheus.yml", config)
	for name, text := range files {
		write(name, text)
	}
	for attempt := 1; ; attempt++ {
		addr := net.JoinHostPort(loopback, strconv.Itoa(freePort(t)))
		p := &Prometheus{URL: "http://" + addr, t: t}
		cmd := exec.CommandContext(context.Background(), Tool(t, "prometheus"), "--config.file=prometheus.yml", // #nosec G204 -- our own file and port
			"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
		cmd.Dir = dir
		p.proc = startProcess(t, cmd)
		err := p.proc.await("an answer of /-/ready", func() bool {
			resp, err := p.get("/-/ready")
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		if err == nil {
			return p
		}
		if attempt == 3 {
			t.Fatal(err)
		}
	}
}

func (p *Prometheus) get(path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// Query asks for the value of an expression now. An expression that Prometheus
// refuses fails the test.
func (p *Prometheus) Query(expr string) []Sample {
	p.t.Helper()
	resp, err := p.get("/api/v1/query?" + url.Values{"query": {expr}}.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("Prometheus answers %s to %s: %s %v", resp.Status, expr, answer.Error, err)
	}
	samples := make([]Sample, 0, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			p.t.Fatalf("%s: %v", expr, err)
		}
		samples = append(samples, Sample{Labels: r.Metric, Value: value})
	}
	return samples
}

// Await waits until done reports true.
func (p *Prometheus) Await(what string, done func() bool) {
	p.t.Helper()
	eventually(p.t, what, done)
}
