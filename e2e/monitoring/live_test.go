package monitoring

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What a live server exports is what the page lists, keeps to Prometheus's
// conventions, feeds every query of the dashboard, and moves every alert.
func TestLive(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.traffic()
	w.scraped(1)
	w.traffic() // a rate needs a series that was there before
	w.scraped(2)
	t.Run("metrics", func(t *testing.T) { metricsAreThePages(t, w.Servers[0]) })
	t.Run("dashboard", func(t *testing.T) {
		for panel, query := range dashboard(t) {
			if found := w.prometheus.Query(query); len(found) == 0 {
				t.Errorf("%s: no data for %s", panel, query)
			}
		}
	})
	w.alertsFollow()
}

// metricsAreThePages compares names and labels both ways.
func metricsAreThePages(t *testing.T, s *testbed.Server) {
	text := s.Scrape()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for name, family := range families {
		if strings.HasPrefix(name, "drawbridge_") {
			found[name] = labelsOf(family)
		}
	}
	if diff := cmp.Diff(documented(t), found); diff != "" {
		t.Errorf("docs/monitoring.md and a live scrape differ (-page +server):\n%s", diff)
	}
	for _, name := range []string{"alice", "local-admin", "hr-eve", "payments"} {
		if strings.Contains(text, name) {
			t.Errorf("the metrics name %q: nobody's name and no repository may be a label", name)
		}
	}
}

func labelsOf(family *dto.MetricFamily) []string {
	names := map[string]bool{}
	for _, metric := range family.GetMetric() {
		for _, label := range metric.GetLabel() {
			names[label.GetName()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
