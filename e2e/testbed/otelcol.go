package testbed

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Collector is a running OpenTelemetry Collector on loopback that takes OTLP over HTTP and
// writes what it gets to a file. It ends with the test.
type Collector struct {
	// URL is what tracing.endpoint names.
	URL string

	t    testing.TB
	proc *process
	dir  string
}

// CollectedSpan is a span as the collector has it.
type CollectedSpan struct {
	TraceID, SpanID, ParentID string
	Name                      string
	Failed                    bool
	Start, End                int64 // Unix nanoseconds
	Attributes                map[string]string
	Process                   map[string]string // what the process says of itself
}

// StartCollector starts the collector and waits until it takes spans.
func StartCollector(t testing.TB) *Collector {
	t.Helper()
	for attempt := 1; ; attempt++ {
		addr := net.JoinHostPort(loopback, strconv.Itoa(freePort(t)))
		c := &Collector{URL: "http://" + addr, t: t, dir: t.TempDir()}
		config := fmt.Sprintf(`
receivers: { otlp: { protocols: { http: { endpoint: %q } } } }
exporters: { file: { path: spans.json, flush_interval: 50ms } }
service:
  pipelines: { traces: { receivers: [otlp], exporters: [file] } }
  telemetry: { metrics: { level: none } }
`, addr)
		if err := os.WriteFile(filepath.Join(c.dir, "config.yaml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(context.Background(), Tool(t, "otelcol"), "--config", "config.yaml") // #nosec G204 -- our own file
		cmd.Dir = c.dir
		c.proc = startProcess(t, cmd)
		err := c.proc.await("it is ready", func() bool { return strings.Contains(c.proc.out.String(), "Everything is ready") })
		if err == nil {
			t.Cleanup(c.Resume) // a paused process does not end when it is told to
			return c
		}
		if attempt == 3 {
			t.Fatal(err)
		}
	}
}

// Pause stops the process with SIGSTOP: the kernel goes on accepting connections and
// nobody answers them.
func (c *Collector) Pause() { c.proc.signal(c.t, syscall.SIGSTOP) }

// Resume ends a pause.
func (c *Collector) Resume() { c.proc.signal(c.t, syscall.SIGCONT) }

// Text returns everything that the collector has written.
func (c *Collector) Text() string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "spans.json")) // #nosec G304 -- our own file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.t.Fatal(err)
	}
	return string(text)
}

// Spans returns the spans that have arrived.
func (c *Collector) Spans() []CollectedSpan {
	c.t.Helper()
	var spans []CollectedSpan
	lines := bufio.NewScanner(strings.NewReader(c.Text()))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var posted otlp
		if err := json.Unmarshal(lines.Bytes(), &posted); err != nil {
			continue // it is being written
		}
		spans = append(spans, posted.spans()...)
	}
	return spans
}

// AwaitTrace waits until a span arrives that match accepts, and then for all of its trace:
// the root is the last to end.
func (c *Collector) AwaitTrace(what string, match func(root CollectedSpan) bool) []CollectedSpan {
	c.t.Helper()
	var found []CollectedSpan
	eventually(c.t, "the trace of "+what, func() bool {
		all := c.Spans()
		for _, root := range all {
			if !match(root) {
				continue
			}
			for _, s := range all {
				if s.TraceID == root.TraceID {
					found = append(found, s)
				}
			}
			return true
		}
		return false
	})
	return found
}

// otlp is a message in the JSON form of OTLP.
type otlp struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes attributes }
		ScopeSpans []struct {
			Spans []struct {
				TraceID           string `json:"traceId"`
				SpanID            string `json:"spanId"`
				ParentSpanID      string `json:"parentSpanId"`
				Name              string
				StartTimeUnixNano int64 `json:",string"`
				EndTimeUnixNano   int64 `json:",string"`
				Attributes        attributes
				Status            struct{ Code int }
			}
		}
	}
}

// attributes are a list there.
type attributes []struct {
	Key   string
	Value map[string]any
}

func (list attributes) byKey() map[string]string {
	by := make(map[string]string, len(list))
	for _, a := range list {
		for _, value := range a.Value { // one: stringValue, intValue ...
			by[a.Key] = fmt.Sprint(value)
		}
	}
	return by
}

func (o otlp) spans() (all []CollectedSpan) {
	const failed = 2 // STATUS_CODE_ERROR
	for _, resource := range o.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				all = append(all, CollectedSpan{
					TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentSpanID, Name: s.Name, Failed: s.Status.Code == failed,
					Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano, Attributes: s.Attributes.byKey(), Process: resource.Resource.Attributes.byKey(),
				})
			}
		}
	}
	return all
}
