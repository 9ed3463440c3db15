package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/bridge/manage"
)

// keysWorld is a running server with registries of every kind.
type keysWorld struct {
	t      *testing.T
	server *running
	config string
}

func newKeysWorld(t *testing.T) *keysWorld {
	t.Helper()
	dir := seeded(t)
	config := filepath.Join(t.TempDir(), "drawbridge.yaml")
	text := `
registries:
  - { service: Docker registry, issuer: I }
  - { service: jwks.example.com, issuer: I, for: distribution-3-jwks }
  - { service: zot.example.com, issuer: I, for: zot }
connectors:
  - { name: local, type: htpasswd, file: ` + filepath.Join(dir, "htpasswd") + ` }
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &keysWorld{t: t, server: startServe(t, dir, "--config", config), config: config}
}

// run runs `drawbridge keys ...` and returns what it printed.
func (w *keysWorld) run(want int, args ...string) string {
	w.t.Helper()
	var out, errOut bytes.Buffer
	err := run(w.t.Context(), append([]string{"keys", "--config", w.config}, args...), nil, &out, &errOut)
	if code := exitCode(err, &errOut); code != want {
		w.t.Fatalf("keys %v: exit code %d, want %d: %s%s", args, code, want, out.String(), errOut.String())
	}
	return out.String() + errOut.String()
}

// list returns the keys in a state.
func (w *keysWorld) list(use, state, service string) []manage.Key {
	w.t.Helper()
	var rows []manage.Key
	if err := json.Unmarshal([]byte(w.run(0, "list", "-o", "json")), &rows); err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(rows, func(r manage.Key) bool {
		return string(r.Use) != use || r.State != state || r.Service != service
	})
}

func (w *keysWorld) contains(out string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			w.t.Errorf("%q is not in:\n%s", text, out)
		}
	}
}

func TestKeysList(t *testing.T) {
	w := newKeysWorld(t)
	ca, leaf := w.list("ca", "signing", ""), w.list("leaf", "signing", "")
	static, zot := w.list("static", "signing", "jwks.example.com"), w.list("static", "signing", "zot.example.com")
	if len(ca) != 1 || len(leaf) != 1 || len(static) != 1 || len(zot) != 1 {
		t.Fatalf("%v %v %v %v", ca, leaf, static, zot)
	}
	if len(ca[0].Fingerprint) != 64 || leaf[0].Algorithm != "ES256" || leaf[0].Replica == "" || leaf[0].Mounted != "" {
		t.Errorf("%+v %+v", ca[0], leaf[0])
	}
	for row, name := range map[*manage.Key]string{&ca[0]: "signing-ca.pem", &static[0]: "jwks.json", &zot[0]: "static-zot-example-com-*-es256.crt"} {
		if ok, _ := filepath.Match(name, filepath.Base(row.Mounted)); !ok || !filepath.IsAbs(row.Mounted) {
			t.Errorf("%s is mounted as %s", name, row.Mounted)
		}
		if _, err := os.Stat(row.Mounted); err != nil {
			t.Error(err)
		}
	}
	w.contains(w.run(0, "list"), "USE", leaf[0].KeyID, "jwks.example.com", colons(ca[0].Fingerprint), "registries mount")
	if jwks := string(w.server.get(t, "/.well-known/jwks.json")); !strings.Contains(jwks, leaf[0].KeyID) || !strings.Contains(jwks, zot[0].KeyID) {
		t.Error(jwks)
	}
}

// awaitSigner waits until the server signs with another key than that, and returns
// its kid.
func (w *keysWorld) awaitSigner(not string) string {
	w.t.Helper()
	var kid string
	w.await("the server signs with another key", func() bool {
		_, _, token := w.server.token(w.t, "", "", "")
		kid = headerOf(w.t, token).KID
		return kid != not
	})
	return kid
}

func (w *keysWorld) await(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	w.t.Fatalf("never: %s", what)
}

func TestKeysRotate(t *testing.T) {
	w := newKeysWorld(t)
	first := w.awaitSigner("")
	events := filepath.Join(t.TempDir(), "audit.jsonl")
	t.Setenv("DRAWBRIDGE_AUDIT_FILE", events) // of the commands; the server runs already
	out := w.run(0, "rotate", "--reason", "once a year")
	w.contains(out, first, "replaced", "No registry needs a restart")
	second := w.awaitSigner(first)
	if old := w.list("leaf", "verifying", ""); len(old) != 1 || old[0].KeyID != first || old[0].Until == nil {
		t.Errorf("%+v", old)
	}
	w.contains(string(w.server.get(t, "/.well-known/jwks.json")), first, second)

	out = w.run(0, "rotate", "--emergency")
	w.contains(out, first, second, "within a second", "without /verify", w.list("leaf", "revoked", "")[0].NotAfter.Format("2006-01-02 15:04"),
		"--new-ca", "--retire-ca", "signing-ca.pem", `--emergency --service "zot.example.com"`)
	w.awaitSigner(second)
	if jwks := string(w.server.get(t, "/.well-known/jwks.json")); strings.Contains(jwks, first) || strings.Contains(jwks, second) {
		t.Error("a revoked key is in the JWKS")
	}
	if revoked := w.list("leaf", "revoked", ""); len(revoked) != 2 || revoked[0].RevokedAt == nil {
		t.Errorf("%+v", revoked)
	}
	recorded, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	w.contains(string(recorded), `"event.action":"key_rotated"`, `"event.action":"key_revoked"`, "once a year", `"user.name":"cli:`, second)
	for metric := range map[string]bool{"ca": true, "leaf": true, "tls": true} {
		if !strings.Contains(w.server.metrics(t), `drawbridge_key_expiry_timestamp_seconds{role="`+metric+`",service=""} 1.`) &&
			!strings.Contains(w.server.metrics(t), `drawbridge_key_expiry_timestamp_seconds{role="`+metric+`",service=""} 2.`) {
			t.Errorf("no expiry of %s", metric)
		}
	}
	w.contains(w.server.metrics(t), `drawbridge_key_expiry_timestamp_seconds{role="static",service="zot.example.com"}`)
}

func TestKeysRotateAService(t *testing.T) {
	w := newKeysWorld(t)
	const service = "jwks.example.com"
	old := w.list("static", "signing", service)[0].KeyID
	w.contains(w.run(1, "rotate", "--service", service, "--retire"), "no new key is prepared")
	out := w.run(0, "rotate", "--service", service)
	next := w.list("static", "next", service)[0]
	w.contains(out, next.KeyID, next.Mounted, `--service "jwks.example.com" --retire`)
	onDisk, err := os.ReadFile(next.Mounted)
	if err != nil {
		t.Fatal(err)
	}
	w.contains(string(onDisk), old, next.KeyID)
	w.run(1, "rotate", "--service", service)
	w.contains(w.run(0, "rotate", "--service", service, "--retire"), old, "not restarted since")
	if now := w.list("static", "signing", service); len(now) != 1 || now[0].KeyID != next.KeyID {
		t.Errorf("%+v", now)
	}
	if was := w.list("static", "verifying", service); len(was) != 1 || was[0].KeyID != old {
		t.Errorf("%+v", was)
	}
	out = w.run(0, "rotate", "--emergency", "--service", service)
	w.contains(out, next.KeyID, "until it is restarted", next.Mounted)

	zot := w.list("static", "signing", "zot.example.com")[0]
	w.contains(w.run(0, "rotate", "--service", "zot.example.com"), zot.KeyID, "do it now", zot.Mounted)
	w.contains(w.run(1, "rotate", "--service", "Docker registry"), "has no key of its own")
	w.contains(w.run(1, "rotate", "--service", "elsewhere"), "there are: Docker registry")
}

func TestKeysRotateTheCA(t *testing.T) {
	w := newKeysWorld(t)
	w.contains(w.run(1, "rotate", "--retire-ca"), "make one first")
	old := w.list("ca", "signing", "")[0]
	w.contains(w.run(0, "rotate", "--new-ca"), "signs nothing yet", "ca-next.pem", old.Mounted, "--retire-ca")
	next := w.list("ca", "next", "")[0]
	if next.Fingerprint == old.Fingerprint || next.Mounted != old.Mounted {
		t.Errorf("%+v", next)
	}
	bundle := func() int {
		return bytes.Count(w.server.get(t, "/.well-known/signing-ca.pem"), []byte("BEGIN CERTIFICATE"))
	}
	w.await("the server hands out both certificates", func() bool { return bundle() == 2 })
	w.contains(w.run(1, "rotate", "--new-ca"), "made already")
	w.contains(w.run(0, "rotate", "--retire-ca"), "signed under the new CA", old.Mounted)
	w.await("the server hands out the new certificate", func() bool { return bundle() == 1 })
	if now := w.list("ca", "signing", ""); len(now) != 1 || now[0].Fingerprint != next.Fingerprint {
		t.Errorf("%+v", now)
	}
}

func TestKeysOfTheOperator(t *testing.T) {
	w := newKeysWorld(t)
	if err := w.server.stop(); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(w.server.dir, "keys", "ca.pem")
	t.Setenv("DRAWBRIDGE_TOKENS_CA_CERT_FILE", ca)
	t.Setenv("DRAWBRIDGE_TOKENS_CA_KEY_FILE", ca)
	for _, flag := range []string{"--new-ca", "--retire-ca"} {
		w.contains(w.run(1, "rotate", flag), "only its owner can replace", "1. Make a new CA", "tokens.ca_cert_file", ca)
	}
	w.contains(w.run(0, "rotate", "--emergency"), "1. Make a new CA") // by itself: no server runs
}

func TestKeysRefuses(t *testing.T) {
	t.Setenv("DRAWBRIDGE_DATA_DIR", filepath.Join(t.TempDir(), "elsewhere"))
	for _, args := range [][]string{
		{"list"}, {"rotate"}, {"rotate", "--retire"}, {"rotate", "--new-ca", "--retire-ca"},
		{"rotate", "--service", "x", "--new-ca"}, {"rotate", "--emergency", "--new-ca"}, {"rotate", "now"},
	} {
		if err := run(t.Context(), append([]string{"keys"}, args...), nil, io.Discard, io.Discard); exitCode(err, io.Discard) != 2 {
			t.Errorf("%v: %v", args, err)
		}
	}
	empty := t.TempDir() // where a server would make a CA
	t.Setenv("DRAWBRIDGE_DATA_DIR", empty)
	for _, command := range []string{"list", "rotate"} {
		err := run(t.Context(), []string{"keys", command}, nil, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "--config") {
			t.Errorf("%s: %v", command, err)
		}
	}
	if _, err := os.Stat(filepath.Join(empty, "keys")); err == nil {
		t.Error("keys were made")
	}
}
