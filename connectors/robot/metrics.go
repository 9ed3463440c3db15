package robot

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector tells how many robots there are, as of the moment it is asked: a robot
// expires without anybody doing anything.
type collector struct {
	roster *Roster
	clock  func() time.Time
	robots *prometheus.Desc
	read   *prometheus.Desc
}

// NewMetrics returns the metrics of the roster's robots.
func NewMetrics(roster *Roster, clock func() time.Time) prometheus.Collector {
	return &collector{
		roster: roster, clock: clock,
		robots: prometheus.NewDesc("drawbridge_robots",
			"Robots by their state; expiring is within 14 days.", []string{"state"}, nil),
		read: prometheus.NewDesc("drawbridge_robots_read_timestamp_seconds",
			"When the robots were last read from the store, in Unix seconds; absent until they were.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.robots
	ch <- c.read
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	known, err := c.roster.current()
	if err != nil {
		return
	}
	now := c.clock()
	count := map[State]int{}
	for _, bot := range known.robots {
		count[bot.State(now)]++
	}
	for _, state := range states() {
		ch <- prometheus.MustNewConstMetric(c.robots, prometheus.GaugeValue, float64(count[state]), string(state))
	}
	ch <- prometheus.MustNewConstMetric(c.read, prometheus.GaugeValue, float64(known.at.UnixMilli())/1000)
}
