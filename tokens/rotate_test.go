package tokens

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func leafID(k *Keys) string { return k.state.Load().leaf.jwk.KeyID }

func TestLeafRotatesWhenDue(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock, opts.RotateEvery = clock.Now, 48*time.Hour
	k := mustOpen(t, opts)
	first := leafID(k)
	anchor := certOf(t, k.SigningCA())

	clock.advance(48*time.Hour - time.Second)
	old := mustMint(t, k, x5cName)
	if err := takeTurn(t, k); err != nil || leafID(k) != first {
		t.Fatalf("rotated early: %v", err)
	}
	oldChain := chainOf(t, k)

	clock.advance(time.Second)
	if err := takeTurn(t, k); err != nil || leafID(k) == first {
		t.Fatalf("did not rotate: %v", err)
	}
	for what, token := range map[string]string{"before": old, "after": mustMint(t, k, x5cName)} {
		if _, err := k.Verify(token); err != nil {
			t.Errorf("the token from %s the rotation: %v", what, err)
		}
		if _, err := mustOpen(t, opts).Verify(token); err != nil {
			t.Errorf("the token from %s the rotation, after a restart: %v", what, err)
		}
	}
	if !bytes.Contains(k.JWKS(), []byte(first)) {
		t.Error("the leaf before is not in the JWKS while its tokens live")
	}

	clock.advance(testTTL) // the old token's last second, and the registries' leeway
	if err := verifyChain(oldChain, anchor, clock.Now().Add(time.Minute)); err != nil {
		t.Errorf("the old leaf does not outlive its last token: %v", err)
	}
	clock.advance(2 * time.Minute)
	if err := takeTurn(t, k); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(k.JWKS(), []byte(first)) || k.PublicKeys()[first] != nil {
		t.Error("the leaf before is still trusted after its last token")
	}
}

func TestRotateManyTimesKeepsEveryToken(t *testing.T) {
	opts := testOptions(t)
	k := mustOpen(t, opts)
	static := mustMint(t, k, kidName)
	staticCert := k.StaticCert(kidName)
	var tokens []string
	for range 10 {
		tokens = append(tokens, mustMint(t, k, x5cName))
		if err := k.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, keys := range []*Keys{k, mustOpen(t, opts)} {
		for i, token := range append(tokens, static) {
			if _, err := keys.Verify(token); err != nil {
				t.Errorf("token %d: %v", i, err)
			}
		}
		if !bytes.Equal(keys.StaticCert(kidName), staticCert) {
			t.Error("a rotation changed the static key")
		}
	}
}

// A leaf that was stolen is rolled at once; the retired file holds no key.
func TestRetiredKeysAreForgotten(t *testing.T) {
	opts := testOptions(t)
	k := mustOpen(t, opts)
	path := filepath.Join(opts.Dir, leafName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := before[:bytes.Index(before, []byte("-----END"))]
	if bytes.Contains(after, secret) || bytes.Count(after, []byte("PRIVATE KEY-----")) != 2 {
		t.Error("the old private key is still on disk")
	}
}

// Two processes share the directory: each takes over what the other rotates, and
// neither rotates again.
func TestProcessesShareOneLeaf(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	a, b := mustOpen(t, opts), mustOpen(t, opts)
	old := mustMint(t, b, x5cName)
	if err := a.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := takeTurn(t, b); err != nil || leafID(a) != leafID(b) {
		t.Fatalf("the other process goes on with its leaf: %v", err)
	}
	if _, err := a.Verify(old); err != nil {
		t.Error(err)
	}
	clock.advance(opts.RotateEvery + defaultRotateEvery)
	var wg sync.WaitGroup
	for _, k := range []*Keys{a, b} {
		wg.Go(func() {
			if err := takeTurn(t, k); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if leafID(a) != leafID(b) {
		t.Error("both processes rotated")
	}
}

func TestRotationThatFailsChangesNothing(t *testing.T) {
	opts := testOptions(t)
	k := mustOpen(t, opts)
	before := leafID(k)
	away := opts.Dir + ".away"
	if err := os.Rename(opts.Dir, away); err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(t.Context()); err == nil || leafID(k) != before {
		t.Errorf("got %v", err)
	}
	if _, err := k.Verify(mustMint(t, k, x5cName)); err != nil {
		t.Errorf("the old leaf does not go on: %v", err)
	}
	if err := os.Rename(away, opts.Dir); err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(t.Context()); err != nil || leafID(k) == before {
		t.Errorf("after the repair: %v", err)
	}
}

func TestRemovedLeafFileLosesNoToken(t *testing.T) {
	opts := testOptions(t)
	k := mustOpen(t, opts)
	old := mustMint(t, k, x5cName)
	if err := os.Remove(filepath.Join(opts.Dir, leafName)); err != nil {
		t.Fatal(err)
	}
	if err := takeTurn(t, k); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []*Keys{k, mustOpen(t, opts)} {
		if _, err := keys.Verify(old); err != nil {
			t.Error(err)
		}
	}
}

func TestSettingsThatChangeTheLeaf(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	k := mustOpen(t, opts)
	old := mustMint(t, k, x5cName)
	for name, edit := range map[string]func(*Options){
		"another algorithm":     func(o *Options) { o.Algorithm = RS256 },
		"a much longer TTL":     func(o *Options) { o.LongestTTL = 60 * 24 * time.Hour },
		"a shorter rotation":    func(o *Options) { o.RotateEvery = time.Nanosecond },
		"the operator's own CA": func(o *Options) { p := makePair(t, newRSA(t, 2048), nil, nil); withOperator(t, o, p) },
	} {
		changed := opts
		edit(&changed)
		clock.advance(time.Second) // certificates count in seconds
		next := mustOpen(t, changed)
		if leafID(next) == leafID(k) {
			t.Errorf("%s: the leaf stays", name)
		}
		if _, err := next.Verify(old); err != nil {
			t.Errorf("%s: the token from before: %v", name, err)
		}
	}
}

func withOperator(t *testing.T, o *Options, p pair) {
	made := operatorOptions(t, pkcs8(p.key), p)
	o.CACertFile, o.CAKeyFile = made.CACertFile, made.CAKeyFile
}

// A clock that was wrong (a year ahead) and is right again: registries would
// refuse a leaf from the future.
func TestClockSetBack(t *testing.T) {
	clock := newClock()
	opts := testOptions(t)
	opts.Clock = clock.Now
	mustOpen(t, opts) // the CA is from now
	clock.advance(365 * 24 * time.Hour)
	ahead := mustOpen(t, opts)
	clock.advance(-365 * 24 * time.Hour)
	k := mustOpen(t, opts)
	if leafID(k) == leafID(ahead) || k.state.Load().leaf.cert.NotBefore.After(clock.Now()) {
		t.Error("a leaf from the future is used")
	}
}

func TestRunWarnsOnceADayBeforeTheEnd(t *testing.T) {
	clock := newClock()
	var log bytes.Buffer
	opts := testOptions(t)
	opts.Clock, opts.Log = clock.Now, slog.New(slog.NewTextHandler(&log, nil))
	k := mustOpen(t, opts)
	warnings := func() int { return strings.Count(log.String(), "ends soon") }
	for _, step := range []struct {
		advance time.Duration
		want    int
	}{{0, 0}, {ownCALife - 29*24*time.Hour, 1}, {time.Hour, 1}, {24 * time.Hour, 2}} {
		clock.advance(step.advance)
		if err := takeTurn(t, k); err != nil {
			t.Fatal(err)
		}
		if warnings() != step.want {
			t.Errorf("after %s: %d warnings, want %d", step.advance, warnings(), step.want)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { k.Run(ctx); close(done) }()
	cancel()
	<-done
	if err := k.Rotate(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMintingDuringRotation(t *testing.T) {
	k := mustOpen(t, testOptions(t))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token, err := k.Mint(x5cName, claimsFor(x5cName, time.Now()))
				if err == nil {
					_, err = k.Verify(token)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		if err := k.Rotate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// takeTurn is what Run does once a minute.
func takeTurn(t *testing.T, k *Keys) error {
	t.Helper()
	return errors.Join(k.maintain(t.Context()))
}
