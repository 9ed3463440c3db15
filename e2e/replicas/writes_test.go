package replicas

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// writes is an administrator who adds one binding after the other, at one replica
// after the other.
type writes struct {
	w    *world
	quit chan struct{}
	done chan struct{}

	mu           sync.Mutex
	acknowledged []string
	refused      int
}

// write begins to write.
func write(w *world) *writes {
	wr := &writes{w: w, quit: make(chan struct{}), done: make(chan struct{})}
	client := newClient(w.t, w.CAFile, func(*http.Transport) {})
	go func() {
		defer close(wr.done)
		for i := 0; ; i++ {
			select {
			case <-wr.quit:
				return
			default:
				wr.one(client, w.Servers[i%2].URL, fmt.Sprint("written-", i))
			}
		}
	}()
	w.t.Cleanup(func() { wr.end() })
	return wr
}

// one adds a binding. What it is based on may have changed: the replica sees what
// the other one wrote a moment later.
func (wr *writes) one(client *http.Client, baseURL, name string) {
	status, header, body := wr.call(client, http.MethodGet, baseURL+"/api/v1/bindings", "", "")
	for status == http.StatusOK {
		status, header, body = wr.call(client, http.MethodPut, baseURL+"/api/v1/bindings/"+name, header.Get("ETag"),
			`{"role":"puller","subjects":["user:corp/alice"],"repositories":["written/**"]}`)
		if status == http.StatusOK {
			wr.mu.Lock()
			wr.acknowledged = append(wr.acknowledged, name)
			wr.mu.Unlock()
			return
		}
		if status == http.StatusPreconditionFailed {
			status, header, body = wr.call(client, http.MethodGet, baseURL+"/api/v1/bindings", "", "")
		}
	}
	if wait, err := strconv.Atoi(header.Get("Retry-After")); status != http.StatusServiceUnavailable || err != nil || wait < 1 {
		wr.w.t.Errorf("a write is answered %d, Retry-After %q: %s", status, header.Get("Retry-After"), body)
	}
	wr.mu.Lock()
	wr.refused++
	wr.mu.Unlock()
}

func (wr *writes) call(client *http.Client, method, url, match, body string) (int, http.Header, string) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, http.Header{}, err.Error()
	}
	req.SetBasicAuth(admin, adminPW)
	if match != "" {
		req.Header.Set("If-Match", match)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, http.Header{}, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, http.Header{}, err.Error()
	}
	return resp.StatusCode, resp.Header, string(data)
}

func (wr *writes) counts() (acknowledged, refused int) {
	wr.mu.Lock()
	defer wr.mu.Unlock()
	return len(wr.acknowledged), wr.refused
}

// await waits for n more that are acknowledged, or refused.
func (wr *writes) await(what string, acknowledged, refused int) {
	wr.w.t.Helper()
	a, r := wr.counts()
	wr.w.Await(what, func() bool {
		nowA, nowR := wr.counts()
		return nowA >= a+acknowledged && nowR >= r+refused
	})
}

func (wr *writes) end() {
	select {
	case <-wr.quit:
		return
	default:
		close(wr.quit)
	}
	<-wr.done
	wr.w.t.Logf("%d writes were acknowledged, %d refused", len(wr.acknowledged), wr.refused)
}

// kept checks that both replicas know everything that was acknowledged.
func (wr *writes) kept(t *testing.T) {
	t.Helper()
	client := newClient(t, wr.w.CAFile, func(*http.Transport) {})
	for i, s := range wr.w.Servers {
		missing := func() []string {
			_, _, body := wr.call(client, http.MethodGet, s.URL+"/api/v1/bindings", "", "")
			var list struct {
				Bindings []struct{ Name string }
			}
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			return slices.DeleteFunc(slices.Clone(wr.acknowledged), func(name string) bool {
				return slices.ContainsFunc(list.Bindings, func(b struct{ Name string }) bool { return b.Name == name })
			})
		}
		deadline := time.Now().Add(patience) // what the other one wrote last takes a moment
		for len(missing()) > 0 && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
		}
		if lost := missing(); len(lost) > 0 {
			t.Errorf("replica %d has lost %d of %d: %v", i, len(lost), len(wr.acknowledged), lost)
		}
	}
}
