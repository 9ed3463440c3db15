package gateway

import (
	"crypto/tls"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/audit"
	"drawbridge/e2e/testbed"
	"drawbridge/tokens"
)

func certificate(t *testing.T, s *testbed.Server) []tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(s.CAFile, keyFile(s))
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{cert}
}

// over returns a token that ended as long ago as no registry takes it any more.
func over(t *testing.T, s *testbed.Server) string {
	t.Helper()
	return mint(t, s, func(c *tokens.Claims) { c.IssuedAt, c.TTL = time.Now().Add(-10*time.Minute), 5*time.Minute })
}

// A client whose token is over is told so by a gateway as by the registry: crane
// fetches another one and goes on.
func TestExpiredTokenIsReplaced(t *testing.T) {
	s := serve(t)
	for _, kind := range append(kinds(), kind{name: "no gateway"}) {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			front := serveStaleFirst(t, s, over(t, s))
			r := registryWith(t, s, testbed.Registry311, front.realm)
			host := "localhost" + r.Addr[strings.LastIndexByte(r.Addr, ':'):]
			if kind.start != nil {
				host = kind.start(t, s, r.Addr).Host
			}
			home := t.TempDir()
			must(t, s, home, "crane", "auth", "login", host, "--username", alice, "--password", alicePW)
			layer := filepath.Join(home, "layer.tar")
			if out, err := exec.Command("tar", "-cf", layer, "-C", home, "config.json").CombinedOutput(); err != nil {
				t.Fatalf("tar: %v: %s", err, out)
			}
			must(t, s, home, "crane", "append", "--new_layer", layer, "--new_tag", host+"/"+repository+":1")
			if front.stale != "" || front.served == 0 {
				t.Errorf("the stale token was not used, or no other one was fetched: %+v", front.served)
			}
		})
	}
}

// docker and skopeo know how long a token is good, and fetch another one when it is
// over: in the middle of a push, which takes as long as a token lives here.
func TestClientsRenewTheirTokens(t *testing.T) {
	const ttl = time.Minute // the shortest there is
	for _, client := range []string{"docker", "skopeo"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "tokens: { access_ttl: 1m }\n")
			r := registry(t, s, testbed.Registry311)
			h := hold(t, r, http.MethodPatch)
			g := nginx(t, s, h.addr)
			image, home := g.Host+"/"+repository+":1", t.TempDir()
			d := testbed.NewDocker(t)
			d.MakeImage(image, strings.Repeat(client, 1000))
			push := func() (string, error) { return d.Run("push", image) }
			if client == "docker" {
				if out, err := d.Login(g.Host, alice, alicePW); err != nil {
					t.Fatalf("docker login: %v\n%s", err, out)
				}
			} else {
				archive := filepath.Join(home, "image.tar")
				d.Must("save", "--output", archive, image)
				must(t, s, home, "skopeo", "login", "--username", alice, "--password", alicePW, g.Host)
				push = func() (string, error) {
					return run(t, s, home, "skopeo", "--insecure-policy", "copy", "docker-archive:"+archive, "docker://"+image)
				}
			}
			type result struct {
				out string
				err error
			}
			done := make(chan result, 1)
			go func() {
				out, err := push()
				done <- result{out, err}
			}()
			select {
			case <-h.reached:
			case got := <-done:
				t.Fatalf("the push ended before its first chunk: %v\n%s", got.err, got.out)
			}
			before := issued(s)
			time.Sleep(ttl + time.Second) // the life of a token is what is waited for
			h.release()
			if got := <-done; got.err != nil {
				t.Fatalf("push: %v\n%s", got.err, got.out)
			}
			if issued(s) == before {
				t.Error("no token was fetched after the first was over")
			}
		})
	}
}

// issued counts the tokens to push that the server has signed.
func issued(s *testbed.Server) int {
	n := 0
	for _, e := range s.Audit() {
		if e.Action == audit.TokenIssued && strings.Contains(strings.Join(e.Granted, " "), "push") {
			n++
		}
	}
	return n
}

// docker itself, in the middle of its push, when its token is revoked: the next
// request is refused, and the terminal says why.
func TestDockerIsToldOfARevocation(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			r := registry(t, s, testbed.Registry28)
			h := hold(t, r, http.MethodPatch)
			g := kind.start(t, s, h.addr)
			image := g.Host + "/" + repository + ":1"
			d := testbed.NewDocker(t)
			if out, err := d.Login(g.Host, alice, alicePW); err != nil {
				t.Fatalf("docker login: %v\n%s", err, out)
			}
			d.MakeImage(image, kind.name)
			type result struct {
				out string
				err error
			}
			done := make(chan result, 1)
			go func() {
				out, err := d.Run("push", image)
				done <- result{out, err}
			}()
			select {
			case <-h.reached:
			case got := <-done:
				t.Fatalf("the push ended before its first chunk: %v\n%s", got.err, got.out)
			}
			for _, e := range s.Audit() {
				if e.Action == audit.TokenIssued && e.User == "local/"+alice {
					out := testbed.RunDrawbridge(t, s.Dir, "", "token", "revoke", "--config", "drawbridge.yaml", "--", e.DecisionID)
					if out.Code != 0 {
						t.Fatalf("token revoke: %+v", out)
					}
				}
			}
			s.Await("the server knows of the revocation", func() bool {
				return s.Metrics()[`drawbridge_revocations_live{kind="token"}`] > 0
			})
			h.release()
			got := <-done
			if got.err == nil || !strings.Contains(got.out, "this token was revoked") {
				t.Errorf("docker push with a revoked token: %v\n%s", got.err, got.out)
			}
			// The next command fetches a token of its own.
			d.Must("push", image)
		})
	}
}
