// Package monitoring holds what an operator watches against a real Prometheus that
// scrapes two live servers with every backend there is: the metrics are those of
// docs/monitoring.md, each query of the Grafana dashboard finds data, and each alert
// is silent while all is well and speaks when its part is broken.
package monitoring
