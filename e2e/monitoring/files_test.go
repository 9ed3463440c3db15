package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	"go.yaml.in/yaml/v3"
)

// What operators take from the repository.
const (
	alertsFile    = "deploy/prometheus/alerts.yaml"
	alertsTests   = "deploy/prometheus/alerts_test.yaml"
	dashboardFile = "deploy/grafana/drawbridge.json"
	page          = "docs/monitoring.md"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// alert is one rule of the file.
type alert struct {
	Name        string `yaml:"alert"`
	Expr        string
	Annotations map[string]string
	Labels      map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(read(t, alertsFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// The page's commands: Prometheus's own tool accepts the rules and passes their tests,
// which are about how long something must be so and what people read.
func TestRulesWithPromtool(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", testbed.Shown(t, "monitoring.md", "promtool"))
	cmd.Dir, cmd.Env = testbed.Root(t), []string{"PATH=" + filepath.Dir(testbed.Tool(t, "promtool")) + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "SUCCESS") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each alert says what is so and what to do, leads to its section of the page, and has
// a case in which it fires.
func TestAlertsAreExplained(t *testing.T) {
	t.Parallel()
	text, tests := read(t, page), read(t, alertsTests)
	for _, a := range alerts(t) {
		if want := page + "#" + strings.ToLower(a.Name); a.Annotations["runbook"] != want {
			t.Errorf("%s: runbook is %q, want %q", a.Name, a.Annotations["runbook"], want)
		}
		if !strings.Contains(text, "\n### "+a.Name+"\n") {
			t.Errorf("%s has no section %s", page, a.Name)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || a.Labels["severity"] == "" {
			t.Errorf("%s has no summary, description or severity", a.Name)
		}
		if !strings.Contains(tests, "\n        alertname: "+a.Name+"\n        exp_alerts: [{") {
			t.Errorf("%s has no case in which %s fires", alertsTests, a.Name)
		}
	}
}

// documented are the metrics of the page's tables, with their labels.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(drawbridge_[a-z_]+)` \\| ([^|]*)\\| [^|]+ \\|$")
	metrics := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, page), -1) {
		if _, twice := metrics[m[1]]; twice {
			t.Errorf("%s has %s twice", page, m[1])
		}
		var labels []string
		for _, label := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		metrics[m[1]] = labels
	}
	if len(metrics) == 0 {
		t.Fatalf("%s lists no metrics", page)
	}
	return metrics
}

// Every metric of ours is on the dashboard.
func TestDashboardShowsEveryMetric(t *testing.T) {
	t.Parallel()
	board := read(t, dashboardFile)
	for name := range documented(t) {
		if !regexp.MustCompile(name + `(_bucket|_count)?\b`).MatchString(board) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}
