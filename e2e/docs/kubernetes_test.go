package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cluster stands in for one: `helm upgrade` renders, and kubectl takes what it is given
// if it is there. What is rendered, and the pods themselves, are tested in package helm.
const cluster = `
helm() {
	case $1 in
	upgrade) shift; [ "$1" != --install ] || shift; command helm template "${@/--create-namespace/--skip-tests}" ;;
	test) command helm template "$2" deploy/helm/drawbridge --show-only templates/tests/ready.yaml ;;
	rollback) ;;
	*) return 64 ;;
	esac
}
kubectl() {
	local arg
	for arg in "$@"; do
		case $arg in
		--cert=* | --key=*) cat "${arg#*=}" >/dev/null ;;
		--from-file=*) cat "${arg##*=}" >/dev/null ;;
		deploy/*.yaml) cat "$arg" ;;
		esac
	done
	printf 'kubectl %s\n' "$*"
}
`

// docs/kubernetes.md from its beginning to its end.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	s := inRepository(t)
	for _, name := range []string{"tls.crt", "tls.key", "ldap-password", "corp-ca.pem", "signing-ca.crt", "signing-ca.key", "store-url", "redis-url"} {
		s.write(name, "x")
	}
	s.write("values.yaml", one(t, "kube-values"))
	s.write("policy.yaml", "bindings: []\n")
	run := func(name string, want ...string) string {
		t.Helper()
		out := s.run(cluster + one(t, name))
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s does not print %q:\n%s", name, w, out)
			}
		}
		return out
	}
	run("kube-try", `image: "registry.example.com/drawbridge:1.2.3"`, "claimName: drawbridge")
	secrets := run("kube-secrets")
	installed := run("kube-install", `value: "https://auth.example.com"`, "type: LoadBalancer", "args: [health,")
	run("kube-policy", "0 failed", "name: drawbridge-policy")

	secrets += run("kube-replicas-secrets")
	s.write("replicas.yaml", one(t, "kube-replicas"))
	installed += run("kube-replicas-install", "replicas: 2", "kind: PodDisruptionBudget", "emptyDir: {}")
	s.write("ingress.yaml", one(t, "kube-ingress"))
	run("kube-ingress-install", "kind: Ingress", "- 10.0.0.0/8", "name: corp")
	run("kube-plain", "kind: Deployment")
	run("upgrade-kube", `image: "registry.example.com/drawbridge:1.2.4"`)
	run("upgrade-kube-back")

	// The page makes every Secret and ConfigMap that the pods ask for.
	source := regexp.MustCompile(`- (secret|configMap): \{ name: ([a-z-]+), items: \[\{ key: ([a-z.]+),`)
	for _, m := range source.FindAllStringSubmatch(installed, -1) {
		made := regexp.MustCompile(`create (secret tls|secret generic|configmap) ` + m[2] + ` .*(=` + m[3] + `=|--cert=)`)
		if m[2] != "drawbridge" && !made.MatchString(secrets) {
			t.Errorf("the page does not make the %s %s with the key %s", m[1], m[2], m[3])
		}
	}
	if !strings.Contains(installed, "name: drawbridge-redis") {
		t.Error("the replicas ask for no Redis")
	}
}

// write writes a file of the shell's folder.
func (s *shell) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
