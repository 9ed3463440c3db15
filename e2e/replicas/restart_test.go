package replicas

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// Replicas are restarted one after the other, round after round, while people ask
// for tokens in every way and skopeo pushes: nothing fails.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	redis := testbed.StartRedis(t, testbed.RedisOptions{})
	w := start(t, parts{redisURL: redis.URL()})
	registry := testbed.StartRegistry(t, testbed.Registry311, testbed.RegistryOptions{
		Realm: w.URL + "/token", Service: service, Issuer: issuer, RootCertBundle: w.TrustFile,
		TLSCertFile: w.CertFile, TLSKeyFile: w.KeyFile,
	})
	l := ask(w, w.URL, append(passwords(), refreshes(w, false))...)
	p := push(t, w.CAFile, "localhost"+registry.Addr[strings.LastIndexByte(registry.Addr, ':'):])
	for range 3 {
		for _, s := range w.Servers {
			l.await(20)
			p.await(1)
			s.Restart()
		}
	}
	l.await(20)
	p.await(2)
	l.end()
	p.end()
}

// pushes is skopeo, which pushes images, each with a login of its own.
type pushes struct {
	t    *testing.T
	n    atomic.Int32
	quit chan struct{}
	done chan struct{}
}

func push(t *testing.T, caFile, registry string) *pushes {
	t.Helper()
	p := &pushes{t: t, quit: make(chan struct{}), done: make(chan struct{})}
	image, home := newLayout(t), t.TempDir()
	go func() {
		defer close(p.done)
		for i := 0; ; i++ {
			select {
			case <-p.quit:
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			cmd := exec.CommandContext(ctx, testbed.Tool(t, "skopeo"), "--insecure-policy", "copy",
				"--dest-creds", "alice:"+testbed.SeedPassword("alice"),
				"oci:"+image+":v1", fmt.Sprintf("docker://%s/payments/app%d:v1", registry, i))
			cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + caFile}
			out, err := cmd.CombinedOutput()
			cancel()
			if err != nil {
				t.Errorf("push %d: %v\n%s", i, err, out)
			}
			p.n.Add(1)
		}
	}()
	t.Cleanup(p.end)
	return p
}

// await waits until n more pushes are done.
func (p *pushes) await(n int32) {
	p.t.Helper()
	want := p.n.Load() + n
	for deadline := time.Now().Add(2 * time.Minute); p.n.Load() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatal("skopeo does not get on")
		}
	}
}

func (p *pushes) end() {
	select {
	case <-p.quit:
		return
	default:
		close(p.quit)
	}
	<-p.done
	p.t.Logf("%d pushes", p.n.Load())
}

// newLayout makes an image without layers, in the form of the OCI image layout.
func newLayout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	config := `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[]}`,
		blob(t, dir, "application/vnd.oci.image.config.v1+json", config))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, strings.Replace(
		blob(t, dir, "application/vnd.oci.image.manifest.v1+json", manifest), "{", `{"annotations":{"org.opencontainers.image.ref.name":"v1"},`, 1))
	for name, content := range map[string]string{"index.json": index, "oci-layout": `{"imageLayoutVersion":"1.0.0"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// blob writes content under its digest and returns its descriptor.
func blob(t *testing.T, dir, mediaType, content string) string {
	t.Helper()
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	path := filepath.Join(dir, "blobs", "sha256", digest)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%s","size":%d}`, mediaType, digest, len(content))
}
