package gateway

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// Real clients push and pull through each gateway, and are challenged and refused
// as without one.
func TestClients(t *testing.T) {
	s := serve(t)
	for _, kind := range kinds() {
		for _, version := range []string{testbed.Registry28, testbed.Registry311} {
			t.Run(kind.name+"/"+version, func(t *testing.T) {
				t.Parallel()
				r := registry(t, s, version)
				g := kind.start(t, s, r.Addr)
				testChallenges(t, s, g)
				testDocker(t, g, version)
				testSkopeo(t, s, g)
				testNoStateIsLogged(t, s, g)
			})
		}
	}
}

func testDocker(t *testing.T, g *testbed.Gateway, version string) {
	t.Helper()
	image := g.Host + "/" + repository + ":1"
	d := testbed.NewDocker(t)
	if out, err := d.Login(g.Host, alice, "wrong"); err == nil || !strings.Contains(out, "The username or the password is wrong") {
		t.Errorf("docker login with a wrong password: %v\n%s", err, out)
	}
	if out, err := d.Login(g.Host, alice, alicePW); err != nil {
		t.Fatalf("docker login: %v\n%s", err, out)
	}
	d.MakeImage(image, version+strings.Repeat("team/app", 10_000))
	d.Must("push", image)
	d.RemoveImage(image)
	d.Must("pull", image)
	denied := g.Host + "/private/app:1"
	d.MakeImage(denied, "private")
	if out, err := d.Run("push", denied); err == nil || !strings.Contains(out, "denied") {
		t.Errorf("docker push without the right: %v\n%s", err, out)
	}
	nobody := testbed.NewDocker(t)
	if out, err := nobody.Run("pull", image); err == nil || !strings.Contains(out, "denied") {
		t.Errorf("docker pull without a login: %v\n%s", err, out)
	}
}

// testSkopeo copies docker's image to a folder and from there to another
// repository, with crane as a second opinion.
func testSkopeo(t *testing.T, s *testbed.Server, g *testbed.Gateway) {
	t.Helper()
	home, dir := t.TempDir(), t.TempDir()
	from, to := g.Host+"/"+repository+":1", g.Host+"/team/copy:1"
	must(t, s, home, "skopeo", "login", "--username", alice, "--password", alicePW, g.Host)
	must(t, s, home, "skopeo", "--insecure-policy", "copy", "docker://"+from, "dir:"+dir)
	must(t, s, home, "skopeo", "--insecure-policy", "copy", "dir:"+dir, "docker://"+to)
	must(t, s, home, "crane", "auth", "login", g.Host, "--username", alice, "--password", alicePW)
	first, second := must(t, s, home, "crane", "digest", from), must(t, s, home, "crane", "digest", to)
	if first == "" || first != second {
		t.Errorf("the copy is %s, the original %s", second, first)
	}
	must(t, s, home, "crane", "validate", "--remote", to)
}

// testNoStateIsLogged: the URLs of the uploads above hold a secret of the registry,
// which neither the server nor the access log of the page's nginx has.
func testNoStateIsLogged(t *testing.T, s *testbed.Server, g *testbed.Gateway) {
	t.Helper()
	logs := s.Output()
	if text, err := os.ReadFile(filepath.Join(g.Dir, "registry.log")); err == nil { // Caddy writes none
		if logs += string(text); !strings.Contains(string(text), "PATCH /v2/"+repository+"/blobs/uploads/") {
			t.Errorf("the access log has no upload:\n%s", text)
		}
	}
	if strings.Contains(logs, "_state") {
		t.Error("a log has the query of an upload")
	}
}

// testChallenges: without a token the registry's own challenge comes through; for
// a token that is no good there is one with the same parameters.
func testChallenges(t *testing.T, s *testbed.Server, g *testbed.Gateway) {
	t.Helper()
	const path = "/v2/" + repository + "/manifests/1"
	parameters := `Bearer realm="` + s.URL + `/token",service="` + service + `",scope="repository:` + repository + `:pull"`
	for token, want := range map[string]string{"": parameters, "forged": parameters + `,error="invalid_token"`} {
		a := through(t, s, g, token).do(http.MethodGet, path, nil).want(t, "token "+token, http.StatusUnauthorized, "UNAUTHORIZED")
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("token %q: the challenge is\n%s, want\n%s", token, got, want)
		}
		if got := a.header.Get("Docker-Distribution-Api-Version"); got != "registry/2.0" {
			t.Errorf("token %q: Docker-Distribution-Api-Version is %q", token, got)
		}
	}
}
