package testbed

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"drawbridge/audit"

	"golang.org/x/crypto/bcrypt"
)

// logLine is a line of the server's own log.
type logLine struct {
	Level         string `json:"level"`
	Message       string `json:"msg"`
	Error         string `json:"error"`
	Addr          string `json:"addr"`
	TelemetryAddr string `json:"telemetry_addr"`
	TLS           string `json:"tls"`
}

// Log returns what the server has logged so far.
func (s *Server) Log() []logLine { //revive:disable-line:unexported-return -- read its fields
	var lines []logLine
	for text := range strings.SplitSeq(s.stderr.String(), "\n") {
		var line logLine
		if json.Unmarshal([]byte(text), &line) == nil { // the banner is no JSON
			lines = append(lines, line)
		} else if strings.HasPrefix(text, "time=") {
			lines = append(lines, plainLine(text))
		}
	}
	return lines
}

// plainLine reads a line of log.format text.
func plainLine(text string) logLine {
	fields := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`).FindAllStringSubmatch(text, -1) {
		fields[m[1]] = strings.Trim(m[2], `"`)
	}
	return logLine{
		Level: fields["level"], Message: fields["msg"], Error: fields["error"],
		Addr: fields["addr"], TelemetryAddr: fields["telemetry_addr"], TLS: fields["tls"],
	}
}

// Output returns everything the server has printed so far, on both streams.
func (s *Server) Output() string { return s.stdout.String() + s.stderr.String() }

// Audit returns the audit events that the server has written to its standard
// output so far. A line that is no event fails the test.
func (s *Server) Audit() []audit.Event {
	s.t.Helper()
	var events []audit.Event
	lines := bufio.NewScanner(strings.NewReader(s.stdout.String()))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e audit.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			s.t.Fatalf("standard output has a line that is no audit event: %q: %v", lines.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

// AwaitAudit waits for an event that match accepts, and returns it. The log is
// written in the background, so that a request may be answered before its event
// is there.
func (s *Server) AwaitAudit(what string, match func(audit.Event) bool) audit.Event {
	s.t.Helper()
	var found audit.Event
	s.await("the audit event: "+what, func() bool {
		for _, e := range s.Audit() {
			if match(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// Ready reports whether /readyz answers 200.
func (s *Server) Ready() bool {
	status, _ := s.telemetry("/readyz")
	return status == http.StatusOK
}

// Scrape returns /metrics as it is printed.
func (s *Server) Scrape() string {
	s.t.Helper()
	status, body := s.telemetry("/metrics")
	if status != http.StatusOK {
		s.t.Fatalf("/metrics: status %d", status)
	}
	return body
}

// PeakMemory is the server's largest resident set so far, in bytes.
func (s *Server) PeakMemory() int64 { s.t.Helper(); return peakMemory(s.t, s.Pid()) }

// Metrics returns every sample of /metrics, by its name with its labels as
// printed: `drawbridge_tokens_issued_total` or `x_total{kind="y"}`.
func (s *Server) Metrics() map[string]float64 {
	s.t.Helper()
	samples := map[string]float64{}
	for line := range strings.SplitSeq(s.Scrape(), "\n") {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			s.t.Fatalf("/metrics: %q: %v", line, err)
		}
		samples[line[:at]] = value
	}
	return samples
}

func (s *Server) telemetry(path string) (status int, body string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.Telemetry+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

// HTPasswd returns an htpasswd file for pairs of username and password. Its
// hashes are the cheapest, which the server warns of.
func HTPasswd(t testing.TB, pairs ...string) string {
	t.Helper()
	var file strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		file.WriteString(pairs[i] + ":" + string(hash) + "\n")
	}
	return file.String()
}

// ReadFile returns a file of the server's folder.
func (s *Server) ReadFile(name string) []byte {
	s.t.Helper()
	return readFile(s.t, filepath.Join(s.Dir, name))
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path) // #nosec G304 -- a file that a test has made
	if err != nil {
		t.Fatal(err)
	}
	return data
}
