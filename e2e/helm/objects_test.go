package helm

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Whatever the values: strictly decoded, restricted, and names lead to what is there.
func TestObjects(t *testing.T) {
	t.Parallel()
	for name, args := range valueFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, args...)
			deployment := the[*appsv1.Deployment](t, all)
			pod := deployment.Spec.Template
			restricted(t, pod.ObjectMeta, pod.Spec)
			for _, test := range every[*corev1.Pod](all) {
				restricted(t, test.ObjectMeta, test.Spec)
			}
			if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
				t.Error("the pod has the service account's token")
			}
			volumesFit(t, pod.Spec, all)
			selectorsFit(t, all, pod)
			portsFit(t, all, pod.Spec.Containers[0])
			for _, object := range all {
				if object.GetNamespace() != "drawbridge" {
					t.Errorf("%T %s is in no namespace", object, object.GetName())
				}
			}
		})
	}
}

// restricted holds a pod against the Pod Security Standard, by the code of the
// admission plugin.
func restricted(t *testing.T, meta metav1.ObjectMeta, spec corev1.PodSpec) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(level, &meta, &spec) {
		if !result.Allowed {
			t.Errorf("%s: the restricted standard refuses it: %s: %s", meta.Name, result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
	for _, c := range spec.Containers {
		if s := c.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: the root file system can be written", meta.Name)
		}
	}
}

// volumesFit says that every mount has a volume, and that what the chart makes itself
// has the names by which the volumes ask for it.
func volumesFit(t *testing.T, spec corev1.PodSpec, all objects) {
	t.Helper()
	volumes := map[string]corev1.Volume{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v
	}
	for _, mount := range spec.Containers[0].VolumeMounts {
		if _, ok := volumes[mount.Name]; !ok {
			t.Errorf("%s is mounted from no volume", mount.MountPath)
		}
	}
	for _, claim := range every[*corev1.PersistentVolumeClaim](all) {
		if from := volumes["data"].PersistentVolumeClaim; from == nil || from.ClaimName != claim.Name {
			t.Errorf("the claim %s is not used", claim.Name)
		}
	}
	named := map[string]bool{}
	if etc := volumes["etc"].Projected; etc != nil {
		for _, source := range etc.Sources {
			if source.Secret != nil {
				named["Secret "+source.Secret.Name] = true
			} else {
				named["ConfigMap "+source.ConfigMap.Name] = true
			}
		}
	}
	for _, secret := range every[*corev1.Secret](all) {
		if !named["Secret "+secret.Name] {
			t.Errorf("the Secret %s is not used", secret.Name)
		}
	}
	for _, config := range every[*corev1.ConfigMap](all) {
		if !named["ConfigMap "+config.Name] {
			t.Errorf("the ConfigMap %s is not used", config.Name)
		}
	}
}

// selectorsFit says that all that selects pods selects these, and that the test's pod
// gets no requests.
func selectorsFit(t *testing.T, all objects, pod corev1.PodTemplateSpec) {
	t.Helper()
	selects := func(what string, selector *metav1.LabelSelector) {
		t.Helper()
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || s.Empty() || !s.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s does not select the pods: %v %v", what, selector, err)
		}
		for _, test := range every[*corev1.Pod](all) {
			if s.Matches(labels.Set(test.Labels)) {
				t.Errorf("%s selects the pod of the test", what)
			}
		}
	}
	selects("the Deployment", the[*appsv1.Deployment](t, all).Spec.Selector)
	for _, service := range every[*corev1.Service](all) {
		selects("the Service "+service.Name, &metav1.LabelSelector{MatchLabels: service.Spec.Selector})
	}
	for _, budget := range every[*policyv1.PodDisruptionBudget](all) {
		selects("the PodDisruptionBudget", budget.Spec.Selector)
	}
	for _, rule := range every[*networkingv1.NetworkPolicy](all) {
		selects("the NetworkPolicy", &rule.Spec.PodSelector)
	}
	for _, scaler := range every[*autoscalingv2.HorizontalPodAutoscaler](all) {
		if scaler.Spec.ScaleTargetRef.Name != the[*appsv1.Deployment](t, all).Name || the[*appsv1.Deployment](t, all).Spec.Replicas != nil {
			t.Error("the autoscaler and the Deployment do not fit")
		}
	}
}

// portsFit says that ports that are named are there.
func portsFit(t *testing.T, all objects, c corev1.Container) {
	t.Helper()
	ports := map[string]bool{}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	use := func(what string, port intstr.IntOrString) {
		t.Helper()
		if !ports[port.StrVal] {
			t.Errorf("%s names the port %s, and the container has %v", what, port.String(), ports)
		}
	}
	use("the readiness probe", c.ReadinessProbe.HTTPGet.Port)
	use("the liveness probe", c.LivenessProbe.HTTPGet.Port)
	use("the startup probe", c.StartupProbe.HTTPGet.Port)
	services := map[string]*corev1.Service{}
	for _, service := range every[*corev1.Service](all) {
		services[service.Name] = service
		use("the Service "+service.Name, service.Spec.Ports[0].TargetPort)
		if public := !strings.HasSuffix(service.Name, "-telemetry"); public == (service.Spec.Ports[0].Name == "telemetry") {
			t.Errorf("the Service %s has the port %s", service.Name, service.Spec.Ports[0].Name)
		}
	}
	for _, rule := range every[*networkingv1.NetworkPolicy](all) {
		for _, in := range rule.Spec.Ingress {
			use("the NetworkPolicy", *in.Ports[0].Port)
		}
	}
	for _, ingress := range every[*networkingv1.Ingress](all) {
		backend := ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
		if service := services[backend.Name]; service == nil || service.Spec.Ports[0].Name != backend.Port.Name {
			t.Errorf("the Ingress leads to %s %s", backend.Name, backend.Port.Name)
		}
	}
	for _, monitor := range every[*serviceMonitor](all) {
		found := 0
		for _, service := range services {
			if labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels).Matches(labels.Set(service.Labels)) {
				found++
				if service.Spec.Ports[0].Name != monitor.Spec.Endpoints[0].Port {
					t.Error("the ServiceMonitor names another port")
				}
			}
		}
		if found != 1 {
			t.Errorf("the ServiceMonitor selects %d Services", found)
		}
	}
}

// A change of the configuration restarts the pods; one of the policy does not, since
// the server sees it by itself.
func TestChecksum(t *testing.T) {
	t.Parallel()
	file := valueFiles(t)["volume"]
	annotations := func(set ...string) map[string]string {
		return the[*appsv1.Deployment](t, render(t, append(file, set...)...)).Spec.Template.Annotations
	}
	before := annotations()["checksum/config"]
	if before == "" || before == annotations("--set", "config.log.level=debug")["checksum/config"] {
		t.Error("a change of the configuration restarts no pod")
	}
	if before != annotations("--set", "policy.document=bindings: []")["checksum/config"] {
		t.Error("a change of the policy restarts the pods")
	}
}
