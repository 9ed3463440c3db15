package bench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Load is one closed loop against a server.
type Load struct {
	URL                string
	Username, Password string // no credentials when Username is empty
	// Who says in whose name a request is sent, from 1 on; nil is Username.
	Who    func(request int64) (username, password string)
	Bearer string // a token; the header is left out when it is empty
	Form   string // the body of a POST; empty is a GET
	// Want is what an answer must hold; empty is a token in JSON, and Nothing an
	// empty body.
	Want     string
	Status   int // of an answer; zero is 200
	Conns    int // connections, and requests in flight
	Duration time.Duration
	// PerSecond is how many requests are sent, evenly in time; zero is as many as
	// the server answers. The latency then counts from when a request was due.
	PerSecond   float64
	MaxRequests int64 // ends the loop as well; zero means [DefaultMaxRequests]
	// NewConnections makes a connection per request, as a client program that is
	// started for one operation does.
	NewConnections bool
}

// DefaultMaxRequests bounds one loop, whatever its time.
const DefaultMaxRequests = 1_000_000

// requestTimeout is far above any latency that is worth a figure.
const requestTimeout = 10 * time.Second

// Result is what a loop measured.
type Result struct {
	Requests int
	Elapsed  time.Duration
	P50, P99 time.Duration
	Max      time.Duration
	Bytes    int // of the last answer's body, where there is one
}

// PerSecond is the throughput; that of nothing is zero.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed.Seconds()
}

// Nothing is the [Load.Want] of an empty body.
const Nothing = "nothing"

// errAnswer is an answer that is not the expected one.
var errAnswer = errors.New("the answer is not the expected one")

// Run runs the loop. It fails on the first answer that does not have the status and
// what is wanted.
func (l Load) Run(ctx context.Context) (Result, error) {
	client := l.Client()
	defer client.CloseIdleConnections()
	limit := l.MaxRequests
	if limit <= 0 {
		limit = DefaultMaxRequests
	}
	size := make([]int, l.Conns)
	var sent atomic.Int64
	start := time.Now()
	result, err := Loop(ctx, l.Conns, l.Duration, limit, func(ctx context.Context, conn int) (time.Duration, error) {
		number := sent.Add(1)
		took, n, err := l.one(ctx, client, number, l.due(start, number))
		size[conn] = n
		return took, err
	})
	result.Bytes = slices.Max(size)
	return result, err
}

// Loop is a closed loop of anything: in each of several workers one call follows
// the other, until the time is over or there were limit calls. A call returns how
// long it took; the first one that fails ends the loop.
func Loop(ctx context.Context, workers int, d time.Duration, limit int64,
	call func(ctx context.Context, worker int) (time.Duration, error),
) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sent atomic.Int64
	samples := make([][]time.Duration, workers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range workers {
		wg.Go(func() {
			for ctx.Err() == nil && time.Since(start) < d && sent.Add(1) <= limit {
				took, err := call(ctx, i)
				if err != nil {
					cancel(err)
					return
				}
				samples[i] = append(samples[i], took)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return summary(slices.Concat(samples...), elapsed)
}

// Client returns an HTTP client as the loop uses it.
func (l Load) Client() *http.Client {
	return &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: l.Conns,
			DisableKeepAlives:   l.NewConnections,
			DisableCompression:  true,
			// The certificate is self-signed and on loopback; verifying it is the
			// client's cost. HTTP/1.1, which registry clients speak to a server
			// that they ask once or twice.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, //nolint:gosec // above
		},
	}
}

// due waits until a request is to be sent and returns when that was.
func (l Load) due(start time.Time, number int64) time.Time {
	if l.PerSecond <= 0 {
		return time.Now()
	}
	at := start.Add(time.Duration(float64(number-1) / l.PerSecond * float64(time.Second)))
	time.Sleep(time.Until(at))
	return at
}

func (l Load) request(ctx context.Context, number int64) (*http.Request, error) {
	method := http.MethodGet
	if l.Form != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, l.URL, strings.NewReader(l.Form))
	if err != nil {
		return nil, err
	}
	if l.Form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	username, password := l.Username, l.Password
	if l.Who != nil {
		username, password = l.Who(number)
	}
	if username != "" {
		req.SetBasicAuth(username, password)
	}
	if l.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+l.Bearer)
	}
	return req, nil
}

// wanted reports whether a body is the expected one.
func (l Load) wanted(body []byte) bool {
	switch l.Want {
	case "":
		return bytes.Contains(body, []byte(`"token":"ey`))
	case Nothing:
		return len(body) == 0
	}
	return bytes.Contains(body, []byte(l.Want))
}

// one sends one request and returns how long the whole answer took since start.
func (l Load) one(ctx context.Context, client *http.Client, number int64, start time.Time) (time.Duration, int, error) {
	req, err := l.request(ctx, number)
	if err != nil {
		return 0, 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	took := time.Since(start)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return 0, 0, err
	}
	if resp.StatusCode != cmp.Or(l.Status, http.StatusOK) || !l.wanted(body) {
		return 0, 0, fmt.Errorf("%w: %s: %.200s", errAnswer, resp.Status, body)
	}
	return took, len(body), nil
}

// summary turns samples into figures. The percentiles are samples that were
// measured (nearest rank), not interpolations.
func summary(samples []time.Duration, elapsed time.Duration) (Result, error) {
	if len(samples) == 0 {
		return Result{}, errors.New("no request was answered in the time of the loop")
	}
	slices.Sort(samples)
	rank := func(percent int) time.Duration {
		return samples[max(0, (len(samples)*percent+99)/100-1)]
	}
	return Result{
		Requests: len(samples), Elapsed: elapsed,
		P50: rank(50), P99: rank(99), Max: samples[len(samples)-1],
	}, nil
}
