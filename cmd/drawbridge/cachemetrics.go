package main

import (
	"drawbridge/cache"

	"github.com/prometheus/client_golang/prometheus"
)

// cacheMetrics tells what the caches did, by their own counters: nothing is added to
// a request.
type cacheMetrics struct {
	memory              *cache.Memory
	redis               *cache.Redis // nil where there is none
	requests, up, trips *prometheus.Desc
}

func newCacheMetrics(c caches) *cacheMetrics {
	return &cacheMetrics{
		memory: c.memory, redis: c.redis,
		requests: prometheus.NewDesc("drawbridge_cache_requests_total",
			"Questions to the caches by how they ended; skipped is not asked, since Redis was down.", []string{"cache", "outcome"}, nil),
		up: prometheus.NewDesc("drawbridge_redis_up",
			"Whether Redis is being asked (1), or did not answer and is left alone until it does (0).", nil, nil),
		trips: prometheus.NewDesc("drawbridge_redis_outages_total",
			"How often Redis stopped to answer.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *cacheMetrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.requests
	if c.redis != nil {
		descs <- c.up
		descs <- c.trips
	}
}

// Collect implements [prometheus.Collector].
func (c *cacheMetrics) Collect(metrics chan<- prometheus.Metric) {
	count := func(name, outcome string, n uint64) {
		metrics <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(n), name, outcome)
	}
	if c.memory != nil {
		s := c.memory.Stats()
		count("memory", "hit", s.Hits)
		count("memory", "miss", s.Misses)
	}
	if c.redis == nil {
		return
	}
	s := c.redis.Stats()
	count("redis", "hit", s.Hits)
	count("redis", "miss", s.Misses)
	count("redis", "error", s.Errors)
	count("redis", "skipped", s.Skipped)
	metrics <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, number(c.redis.Healthy()))
	metrics <- prometheus.MustNewConstMetric(c.trips, prometheus.CounterValue, float64(s.Trips))
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
