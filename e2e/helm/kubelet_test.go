package helm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// secrets are the Secrets and ConfigMaps of the cluster: their keys by their name.
type secrets map[string]map[string]string

// add takes over those that the chart made.
func (s secrets) add(all objects) {
	for _, secret := range every[*corev1.Secret](all) {
		s[secret.Name] = secret.StringData
	}
	for _, config := range every[*corev1.ConfigMap](all) {
		s[config.Name] = config.Data
	}
}

// kubelet runs a pod as one does, with Docker.
type kubelet struct {
	t      *testing.T
	docker *testbed.Docker
	image  string
	dir    string // of the volumes
	name   string // of the container
}

// newImage builds the program as `make build` does and puts it into an image that has
// nothing else, as the shipped one.
func newImage(t *testing.T) string {
	t.Helper()
	docker, image, root := testbed.NewDocker(t), unique("image"), t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(root, "drawbridge"), "./cmd/drawbridge")
	build.Dir, build.Env = testbed.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive := filepath.Join(t.TempDir(), "root.tar")
	if out, err := exec.Command("tar", "-C", root, "-cf", archive, "drawbridge").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { _, _ = docker.Run("image", "rm", "--force", image) })
	docker.Must("import", "--change", `ENTRYPOINT ["/drawbridge"]`, archive, image)
	return image
}

func unique(what string) string {
	return "drawbridge-e2e-helm-" + what + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

func newKubelet(t *testing.T, image string) *kubelet {
	t.Helper()
	return &kubelet{t: t, docker: testbed.NewDocker(t), image: image, name: unique("pod"), dir: t.TempDir()}
}

// container is the arguments of docker that give a container what its pod asks for.
func (k *kubelet) container(pod corev1.PodSpec) []string {
	c, p := pod.Containers[0], pod.SecurityContext
	args := []string{"--user", id(p.RunAsUser) + ":" + id(p.RunAsGroup), "--group-add", id(p.FSGroup)}
	if *c.SecurityContext.ReadOnlyRootFilesystem {
		args = append(args, "--read-only")
	}
	if !*c.SecurityContext.AllowPrivilegeEscalation {
		args = append(args, "--security-opt", "no-new-privileges")
	}
	for _, capability := range c.SecurityContext.Capabilities.Drop {
		args = append(args, "--cap-drop", string(capability))
	}
	for _, env := range c.Env {
		args = append(args, "--env", env.Name+"="+env.Value)
	}
	for _, mount := range c.VolumeMounts {
		mode := ":rw"
		if mount.ReadOnly {
			mode = ":ro"
		}
		args = append(args, "--volume", filepath.Join(k.dir, mount.Name)+":"+mount.MountPath+mode)
	}
	return args
}

func id(n *int64) string { return strconv.FormatInt(*n, 10) }

// volumes makes the pod's volumes as fsGroup has them: root's, and the group's.
func (k *kubelet) volumes(pod corev1.PodSpec, have secrets) {
	k.t.Helper()
	for _, v := range pod.Volumes {
		dir := filepath.Join(k.dir, v.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			k.t.Fatal(err)
		}
		if v.Projected != nil {
			k.project(dir, v.Projected, have)
		} else if err := os.Chmod(dir, 0o2775); err != nil { //nolint:gosec // as a kubelet does
			k.t.Fatal(err)
		}
		if out, err := exec.Command("chown", "--recursive", "0:"+id(pod.SecurityContext.FSGroup), dir).CombinedOutput(); err != nil {
			k.t.Fatalf("a volume gets its group from root alone: %v\n%s", err, out)
		}
	}
}

// project writes a projected volume: the files lie in a folder of their own, which the
// link ..data leads to, and are replaced together when that link is.
func (k *kubelet) project(dir string, v *corev1.ProjectedVolumeSource, have secrets) {
	k.t.Helper()
	real := ".." + strconv.FormatInt(time.Now().UnixNano(), 36)
	put := func(name string, items []corev1.KeyToPath) {
		for _, item := range items {
			content, ok := have[name][item.Key]
			if !ok {
				k.t.Fatalf("the cluster has no %s with the key %s", name, item.Key)
			}
			file := filepath.Join(dir, real, item.Path)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				k.t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), os.FileMode(*v.DefaultMode)); err != nil {
				k.t.Fatal(err)
			}
			top, _, _ := strings.Cut(item.Path, "/")
			_ = os.Symlink(filepath.Join("..data", top), filepath.Join(dir, top)) // it may be there
		}
	}
	for _, source := range v.Sources {
		if source.Secret != nil {
			put(source.Secret.Name, source.Secret.Items)
		} else {
			put(source.ConfigMap.Name, source.ConfigMap.Items)
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(real, next); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		k.t.Fatal(err)
	}
}

// start checks the configuration as the pod has it, and runs the pod.
func (k *kubelet) start(deployment *appsv1.Deployment, have secrets, network ...string) {
	k.t.Helper()
	pod := deployment.Spec.Template.Spec
	k.volumes(pod, have)
	args := append(k.container(pod), network...)
	check := append(append([]string{"run", "--rm"}, args...), k.image, "config", "check")
	if out := k.docker.Must(check...); !strings.Contains(out, "is fine") {
		k.t.Errorf("config check: %s", out)
	}
	k.t.Cleanup(func() {
		if k.t.Failed() {
			k.t.Log(k.logs())
		}
		_, _ = k.docker.Run("rm", "--force", "--volumes", k.name)
	})
	run := append(append([]string{"run", "--detach", "--name", k.name}, args...), k.image)
	k.docker.Must(append(run, pod.Containers[0].Args...)...)
}

func (k *kubelet) logs() string {
	out, _ := k.docker.Run("logs", k.name)
	return out
}

// probe asks what the probe of the pod asks, as the published or own port of loopback.
func (k *kubelet) probe(c corev1.Container, probe *corev1.Probe, published bool) string {
	port := int32(0)
	for _, p := range c.Ports {
		if p.Name == probe.HTTPGet.Port.StrVal {
			port = p.ContainerPort
		}
	}
	addr := "127.0.0.1:" + strconv.Itoa(int(port))
	if published {
		out, err := k.docker.Run("port", k.name, strconv.Itoa(int(port))+"/tcp")
		if err != nil {
			return "" // it ended
		}
		addr, _, _ = strings.Cut(out, "\n")
	}
	return "http://" + addr + probe.HTTPGet.Path
}
