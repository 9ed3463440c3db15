package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"drawbridge/bench"
	"drawbridge/e2e/testbed"
)

// replicaCase is one row: what two replicas share, and what of it the second one
// does not reach.
type replicaCase struct {
	what         string
	redis, alone bool
}

// TestReplicaFigures measures how long a revocation takes to reach a replica.
func TestReplicaFigures(t *testing.T) {
	times := int64(100)
	if *write == "" {
		times = 5
	}
	average := loadAverage(t)
	t.Setenv(testbed.BinaryEnv, build(t)) // without the race detector
	postgres := testbed.StartPostgres(t)
	var rows [][]string
	for _, c := range []replicaCase{
		{"Redis and PostgreSQL", true, false},
		{"PostgreSQL, without Redis", false, false},
		{"Redis; the second replica does not reach PostgreSQL", true, true},
	} {
		result := revocationDelay(t, postgres, c, times)
		t.Logf("%s: p50 %v, p99 %v, max %v", c.what, result.P50, result.P99, result.Max)
		rows = append(rows, []string{c.what, bench.Short(result.P50), bench.Short(result.P99), bench.Short(result.Max)})
	}
	writeSection(t, "replicas", fmt.Sprintf(`## A revocation on its way to another replica

Two replicas, with PostgreSQL and Redis on the same machine: %s. The load average before the run was %s. A token is revoked at
one replica, and the other one is asked at %s about it without a pause: the time from the answer to the revocation until the first
refusal, %d times. The second one looks four times a second, so that a quarter of a second is what to expect at most.

%s`, bench.Machine(), average, "`/verify`", times, bench.Table([]string{"over", "p50", "p99", "max"}, rows)))
}

// revocationDelay revokes tokens one after the other.
func revocationDelay(t *testing.T, postgres *testbed.Postgres, c replicaCase, times int64) bench.Result {
	t.Helper()
	database, link := postgres.NewDatabase(), testbed.StartLink(t, postgres.Addr)
	config := fmt.Sprintf(`
registries: [ { service: "Docker registry", issuer: "Acme auth server" } ]
policy: { file: policy.yaml }
connectors: [ { name: local, type: htpasswd, file: htpasswd } ]
store: { url: %q }
`, database)
	if c.redis {
		config += fmt.Sprintf("cache: { redis_url: %q }\n", testbed.StartRedis(t, testbed.RedisOptions{}).URL())
	}
	two := testbed.StartReplicas(t, 2, testbed.ServerOptions{
		Config: config,
		Files:  map[string]string{"htpasswd": testbed.HTPasswd(t, localUser, localPassword), "policy.yaml": "bindings: []\n"},
	}, nil, []string{"DRAWBRIDGE_STORE_URL=" + strings.Replace(database, postgres.Addr, link.Addr, 1)})
	r := &across{client: two.Servers[0].Client(), first: two.Servers[0].URL, second: two.Servers[1].URL}
	if err := r.warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.alone {
		link.Cut()
		two.Await("the second replica does not reach PostgreSQL", func() bool {
			return two.Servers[1].Metrics()["drawbridge_store_up"] == 0
		})
	}
	result, err := bench.Loop(t.Context(), 1, time.Hour, times, r.once)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// across revokes at one replica and asks another one.
type across struct {
	client        *http.Client
	first, second string
}

// warm has the second replica know the first one's key.
func (a *across) warm(ctx context.Context) error {
	token, err := a.token(ctx)
	if err != nil {
		return err
	}
	_, status, err := a.verify(ctx, token)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the second replica answers %d to a good token", status)
	}
	return err
}

func (a *across) once(ctx context.Context, _ int) (time.Duration, error) {
	token, err := a.token(ctx)
	if err != nil {
		return 0, err
	}
	// Or each revocation would come just after the look that found the one before.
	time.Sleep(rand.N(250 * time.Millisecond)) //nolint:gosec // no secret
	form := strings.NewReader(url.Values{"token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.first+"/oauth2/revoke", form)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, status, err := a.do(req); err != nil || status != http.StatusOK {
		return 0, errors.Join(err, fmt.Errorf("revoke: status %d", status))
	}
	acknowledged := time.Now()
	for {
		_, status, err := a.verify(ctx, token)
		switch took := time.Since(acknowledged); {
		case err != nil:
			return 0, err
		case status == http.StatusForbidden:
			return took, nil
		case status != http.StatusOK || took > time.Minute:
			return 0, fmt.Errorf("after %s the second replica answers %d", took, status)
		}
	}
}

func (a *across) token(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.first+"/token?service=Docker+registry", http.NoBody)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(localUser, localPassword)
	body, status, err := a.do(req)
	var answer struct{ Token string }
	if err == nil && (status != http.StatusOK || json.Unmarshal(body, &answer) != nil) {
		err = fmt.Errorf("token: %d %.200s", status, body)
	}
	return answer.Token, err
}

func (a *across) verify(ctx context.Context, token string) (body []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.second+"/verify", http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return a.do(req)
}

func (a *across) do(req *http.Request) (body []byte, status int, err error) {
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	body, err = io.ReadAll(resp.Body)
	return body, resp.StatusCode, errors.Join(err, resp.Body.Close())
}
