package helm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// serviceMonitor has what the chart uses of the Prometheus operator's type.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
		Selector metav1.LabelSelector `json:"selector"`
	} `json:"spec"`
}

// newObject returns an empty object of the kind, whose type knows every field.
func newObject(t *testing.T, kind metav1.TypeMeta) metav1.Object {
	t.Helper()
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Secret":
		return &corev1.Secret{}
	case "v1 ConfigMap":
		return &corev1.ConfigMap{}
	case "v1 Service":
		return &corev1.Service{}
	case "v1 ServiceAccount":
		return &corev1.ServiceAccount{}
	case "v1 PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{}
	case "v1 Pod":
		return &corev1.Pod{}
	case "v1 Namespace":
		return &corev1.Namespace{}
	case "apps/v1 Deployment":
		return &appsv1.Deployment{}
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return &autoscalingv2.HorizontalPodAutoscaler{}
	case "networking.k8s.io/v1 Ingress":
		return &networkingv1.Ingress{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "policy/v1 PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return &serviceMonitor{}
	}
	t.Fatalf("the chart renders a %q", kind)
	return nil
}

// objects are what a manifest holds.
type objects []metav1.Object

// decode reads a manifest: unknown fields and fields of a wrong type are faults.
func decode(t *testing.T, manifest string) objects {
	t.Helper()
	var found objects
	for doc := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if kind.Kind == "" {
			continue // comments alone
		}
		object := newObject(t, kind)
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			t.Errorf("%v\n%s", err, doc)
		}
		found = append(found, object)
	}
	return found
}

// the returns the only object of a type.
func the[T metav1.Object](t *testing.T, all objects) T {
	t.Helper()
	found := every[T](all)
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want one", len(found), *new(T))
	}
	return found[0]
}

func every[T metav1.Object](all objects) (found []T) {
	for _, object := range all {
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

func chart(t *testing.T) string {
	t.Helper()
	return filepath.Join(testbed.Root(t), "deploy", "helm", "drawbridge")
}

// helm runs the command with none of the person's own settings.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), testbed.Tool(t, "helm"), args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// render is `helm template` with release and namespace drawbridge.
func render(t *testing.T, args ...string) objects {
	t.Helper()
	out, err := helm(t, append([]string{"template", "drawbridge", chart(t), "--namespace", "drawbridge"}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return decode(t, out)
}

// valueFiles are the examples beside the chart; the first is none at all.
func valueFiles(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart(t), "ci", "*-values.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("the chart has no examples: %v", err)
	}
	args := map[string][]string{"defaults": nil}
	for _, file := range files {
		args[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = []string{"--values", file}
	}
	return args
}

func TestLint(t *testing.T) {
	t.Parallel()
	for name, args := range valueFiles(t) {
		if out, err := helm(t, append([]string{"lint", "--strict", chart(t)}, args...)...); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Each value of values.yaml is in the schema, and the other way round.
func TestSchemaHasEveryValue(t *testing.T) {
	t.Parallel()
	var values map[string]any
	var schema struct{ Properties map[string]any }
	for name, into := range map[string]any{"values.yaml": &values, "values.schema.json": &schema} {
		text, err := os.ReadFile(filepath.Join(chart(t), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	for name := range values {
		if schema.Properties[name] == nil {
			t.Errorf("the schema does not have %s", name)
		}
	}
	for name := range schema.Properties {
		if _, ok := values[name]; !ok && name != "global" {
			t.Errorf("values.yaml does not have %s", name)
		}
	}
}

// A chart is packaged and rendered from its archive as from its folder.
func TestPackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := helm(t, "package", chart(t), "--version", "1.2.3", "--app-version", "1.2.3", "--destination", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := helm(t, "template", "drawbridge", filepath.Join(dir, "drawbridge-1.2.3.tgz"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if image := the[*appsv1.Deployment](t, decode(t, out)).Spec.Template.Spec.Containers[0].Image; image != "drawbridge:1.2.3" {
		t.Errorf("image %s, want that of the release", image)
	}
}
