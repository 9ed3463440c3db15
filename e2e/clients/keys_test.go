package clients

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"drawbridge/e2e/testbed"
)

// pusher pushes an image to one new repository of a registry after the other.
type pusher struct {
	registry *testbed.Registry
	crane    craneClient
	image    layout
	pushed   atomic.Int32
}

func newPusher(t *testing.T, s *testbed.Server, version string) *pusher {
	t.Helper()
	p := &pusher{registry: registryFor(t, s, version, filtering, true), crane: newCraneClient(t, s.CAFile), image: newLayout(t, "rotation")}
	if out, err := p.crane.login(host(p.registry), admin, adminPW); err != nil {
		t.Fatalf("registry %s: %v: %s", version, err, out)
	}
	return p
}

// run pushes until it is told to quit, or a push fails.
func (p *pusher) run(quit <-chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-quit:
			return nil
		default:
		}
		ref := fmt.Sprintf("%s/apps/rotation-%d:v1", host(p.registry), n)
		if out, err := p.crane.run("", "push", p.image.dir, ref); err != nil {
			return fmt.Errorf("registry %s: %w: %s", p.registry.Version, err, out)
		}
		p.pushed.Add(1)
	}
}

// signerOf is the key that the server signs with.
func signerOf(t *testing.T, s *testbed.Server) string {
	t.Helper()
	head, _, _ := strings.Cut(s.Ask(testbed.TokenRequest{Service: filtering}).Token, ".")
	data, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ KID string }
	if err := json.Unmarshal(data, &header); err != nil {
		t.Fatal(err)
	}
	return header.KID
}

// Keys are rotated by command while images are pushed to every version of the
// registry, which are not restarted: no push fails, not even when the old keys are
// revoked, since a registry trusts the CA.
func TestKeysRotateWhilePushesRun(t *testing.T) {
	t.Parallel()
	s := serve(t, registries, local)
	quit := make(chan struct{})
	var running sync.WaitGroup
	var pushers []*pusher
	for _, version := range testbed.RegistryVersions() {
		p := newPusher(t, s, version)
		pushers = append(pushers, p)
		running.Go(func() {
			if err := p.run(quit); err != nil {
				t.Error(err)
			}
		})
	}
	more := func() {
		t.Helper()
		before := make([]int32, len(pushers))
		for i, p := range pushers {
			before[i] = p.pushed.Load()
		}
		s.Await("more pushes", func() bool {
			for i, p := range pushers {
				if p.pushed.Load() < before[i]+2 && !t.Failed() {
					return false
				}
			}
			return true
		})
	}
	more()
	seen := map[string]bool{signerOf(t, s): true}
	for _, args := range [][]string{{}, {"--emergency", "--reason", "a test"}, {}} {
		ran := testbed.RunDrawbridge(t, s.Dir, "", append([]string{"keys", "rotate", "--config", "drawbridge.yaml"}, args...)...)
		if ran.Code != 0 {
			t.Errorf("keys rotate %v: exit code %d: %s%s", args, ran.Code, ran.Stdout, ran.Stderr)
		}
		var now string
		s.Await("the server signs with a new key", func() bool { now = signerOf(t, s); return !seen[now] })
		seen[now] = true
		more()
	}
	close(quit)
	running.Wait()
	for _, p := range pushers {
		t.Logf("registry %s: %d pushes", p.registry.Version, p.pushed.Load())
	}
}
