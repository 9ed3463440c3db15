package helm

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// client asks servers whose certificate is not the point.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

// eventually polls until ready reports true.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ready(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// answers waits until a URL is answered with 200.
func answers(t *testing.T, http *http.Client, url func() string) {
	t.Helper()
	eventually(t, url(), func() bool {
		resp, err := http.Get(url())
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == 200
	})
}

// makePair makes a certificate and its key as a Secret of type kubernetes.io/tls has them.
func makePair(t *testing.T, args ...string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("openssl", append([]string{
		"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-keyout", "tls.key", "-out", "tls.crt",
	}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pair := map[string]string{}
	for _, name := range []string{"tls.crt", "tls.key"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pair[name] = string(content)
	}
	return pair
}

func serverPair(t *testing.T) map[string]string {
	t.Helper()
	return makePair(t, "-subj", "/CN=auth.example.com", "-addext", "subjectAltName=DNS:auth.example.com")
}

// published has Docker choose free ports of loopback.
func published() []string {
	return []string{"--publish", "127.0.0.1:0:5001", "--publish", "127.0.0.1:0:5002"}
}

// The rendered pods, run.
func TestRun(t *testing.T) {
	t.Parallel()
	image := newImage(t)
	for name, run := range map[string]func(*testing.T, *kubelet){"defaults": runDefaults, "volume": runVolume, "replica": runReplica} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newKubelet(t, image))
		})
	}
}

// With no values at all: ready, and the account of the log can log in.
func runDefaults(t *testing.T, k *kubelet) {
	all := render(t)
	deployment := the[*appsv1.Deployment](t, all)
	k.start(deployment, secrets{}, published()...)
	c := deployment.Spec.Template.Spec.Containers[0]
	http := client(t)
	answers(t, http, func() string { return k.probe(c, c.StartupProbe, true) })
	answers(t, http, func() string { return k.probe(c, c.ReadinessProbe, true) })

	password := regexp.MustCompile(`password  (\S+)`).FindStringSubmatch(k.logs())
	if password == nil {
		t.Fatal("the log has no password")
	}
	addr, _, _ := strings.Cut(k.docker.Must("port", k.name, "5001/tcp"), "\n")
	login, err := newRequest(t, "https://"+addr+"/token?service=Docker%20registry&account=admin")
	if err != nil {
		t.Fatal(err)
	}
	login.SetBasicAuth("admin", password[1])
	resp, err := http.Do(login)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("the login of the log is answered %s", resp.Status)
	}
}

func newRequest(t *testing.T, url string) (*http.Request, error) {
	t.Helper()
	return http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
}

// One pod with a volume, files from Secrets, and a policy that follows its ConfigMap.
func runVolume(t *testing.T, k *kubelet) {
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("# Mine.\nbindings:\n  - { name: own, role: puller, subjects: [authenticated], repositories: ['${user}/**'] }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := render(t, append(valueFiles(t)["volume"], "--set-file", "policy.document="+policy)...)
	pair := serverPair(t)
	have := secrets{"drawbridge-tls": pair, "drawbridge-ldap": {"password": "x"}, "corp-ca": {"ca.crt": pair["tls.crt"]}}
	have.add(all)
	deployment := the[*appsv1.Deployment](t, all)
	k.start(deployment, have, published()...)
	c := deployment.Spec.Template.Spec.Containers[0]
	answers(t, client(t), func() string { return k.probe(c, c.ReadinessProbe, true) })
	if out := k.docker.Must("exec", k.name, "/drawbridge", "health"); !strings.Contains(out, "ready") {
		t.Errorf("drawbridge health: %s", out)
	}

	loaded := func() int { return strings.Count(k.logs(), `"event.action":"policy_loaded"`) }
	before := loaded()
	have["drawbridge-policy"]["policy.yaml"] = "bindings: []\n"
	k.volumes(corev1.PodSpec{SecurityContext: deployment.Spec.Template.Spec.SecurityContext, Volumes: etc(deployment)}, have)
	eventually(t, "the pod follows its ConfigMap", func() bool { return loaded() > before })
}

func etc(deployment *appsv1.Deployment) (found []corev1.Volume) {
	for _, v := range deployment.Spec.Template.Spec.Volumes {
		if v.Projected != nil {
			found = append(found, v)
		}
	}
	return found
}

// A replica with a real PostgreSQL and Redis, and the pod of `helm test`. They are on
// loopback, so the container is as well, with the ports of the chart.
func runReplica(t *testing.T, k *kubelet) {
	postgres, redis := testbed.StartPostgres(t), testbed.StartRedis(t, testbed.RedisOptions{})
	all := render(t, valueFiles(t)["replicas"]...)
	have := secrets{
		"drawbridge-postgres":   {"url": postgres.URL("postgres")},
		"drawbridge-redis":      {"url": "redis://" + redis.Addr},
		"drawbridge-signing-ca": makePair(t, "-subj", "/CN=CA", "-addext", "keyUsage=critical,keyCertSign,digitalSignature"),
		"drawbridge-htpasswd":   {"htpasswd": testbed.HTPasswd(t, "admin", "badmin")},
	}
	have.add(all)
	testbed.HoldPorts(t, 5001, 5002)
	deployment := the[*appsv1.Deployment](t, all)
	k.start(deployment, have, "--network", "host")
	c := deployment.Spec.Template.Spec.Containers[0]
	answers(t, client(t), func() string { return k.probe(c, c.ReadinessProbe, false) })

	test := the[*corev1.Pod](t, all).Spec
	k.volumes(test, have)
	run := append([]string{"run", "--rm", "--network", "host", "--add-host", "drawbridge-telemetry.drawbridge.svc:127.0.0.1"}, k.container(test)...)
	if out := k.docker.Must(append(append(run, k.image), test.Containers[0].Args...)...); !strings.Contains(out, "ready") {
		t.Errorf("the pod of helm test: %s", out)
	}
}
