package replicas

import (
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// The same behind a real nginx with the page's configuration: people ask for
// tokens and a gateway asks /verify, replicas are restarted one after the other, and
// nothing fails.
func TestRollingRestartBehindNginx(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL(), settings: "tokens: { access_ttl: 1h }\n"})
	g := nginx(w)
	l := ask(w, "https://"+g.Host, append(passwords(), refreshes(w, true), verifies(w))...)
	for range 3 {
		for _, s := range w.Servers {
			l.await(20)
			s.Restart()
		}
	}
	l.await(20)
	l.end()
	if t.Failed() {
		t.Logf("nginx logged:\n%s", g.Log())
	}
}

// nginx runs the page's nginx before the replicas.
func nginx(w *world) *testbed.Gateway {
	w.t.Helper()
	return testbed.StartNginx(w.t, func(addr, _ string) string {
		return testbed.Shown(w.t, "ha.md", "ha-nginx",
			"auth1.example.com:5001", address(w.Servers[0]), "auth2.example.com:5001", address(w.Servers[1]),
			"listen 443 ssl", "listen "+addr+" ssl", "auth.example.com", "localhost",
			"/etc/nginx/tls/auth.crt", w.CertFile, "/etc/nginx/tls/auth.key", w.KeyFile,
			"/etc/nginx/tls/drawbridge-ca.crt", w.CAFile)
	})
}

// address is where a replica listens; localhost may be ::1 as well.
func address(s *testbed.Server) string {
	return "127.0.0.1" + s.URL[strings.LastIndexByte(s.URL, ':'):]
}
