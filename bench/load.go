package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is one closed loop against a token endpoint.
type Load struct {
	URL                string
	Username, Password string // no credentials when Username is empty
	Conns              int    // connections, and requests in flight
	Duration           time.Duration
	MaxRequests        int64 // ends the loop as well; zero means [DefaultMaxRequests]
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
	Bytes    int // of the last answer's body
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// errAnswer is an answer that is not a token.
var errAnswer = errors.New("the answer is not a token")

// Run runs the loop. It fails on the first answer that is not 200 with a token.
func (l Load) Run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := l.Client()
	defer client.CloseIdleConnections()

	limit := l.MaxRequests
	if limit <= 0 {
		limit = DefaultMaxRequests
	}
	var sent atomic.Int64
	samples := make([][]time.Duration, l.Conns)
	size := make([]int, l.Conns)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range l.Conns {
		wg.Go(func() {
			for ctx.Err() == nil && time.Since(start) < l.Duration && sent.Add(1) <= limit {
				took, n, err := l.one(ctx, client)
				if err != nil {
					cancel(err)
					return
				}
				samples[i], size[i] = append(samples[i], took), n
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return summary(slices.Concat(samples...), elapsed, slices.Max(size))
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

// one sends one request and returns how long the whole answer took.
func (l Load) one(ctx context.Context, client *http.Client) (time.Duration, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL, nil)
	if err != nil {
		return 0, 0, err
	}
	if l.Username != "" {
		req.SetBasicAuth(l.Username, l.Password)
	}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	took := time.Since(start)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return 0, 0, err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"token":"ey`)) {
		return 0, 0, fmt.Errorf("%w: %s: %.200s", errAnswer, resp.Status, body)
	}
	return took, len(body), nil
}

// summary turns samples into figures. The percentiles are samples that were
// measured (nearest rank), not interpolations.
func summary(samples []time.Duration, elapsed time.Duration, size int) (Result, error) {
	if len(samples) == 0 {
		return Result{}, errors.New("no request was answered in the time of the loop")
	}
	slices.Sort(samples)
	rank := func(percent int) time.Duration {
		return samples[max(0, (len(samples)*percent+99)/100-1)]
	}
	return Result{
		Requests: len(samples), Elapsed: elapsed, Bytes: size,
		P50: rank(50), P99: rank(99), Max: samples[len(samples)-1],
	}, nil
}
