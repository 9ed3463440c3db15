package main

import (
	"strconv"
	"strings"

	"drawbridge/bridge"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// registerPolicyRevision shows which policy is in force: replicas that show another
// number decide by another one.
func registerPolicyRevision(reg prometheus.Registerer, b *bridge.Bridge) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "drawbridge_policy_revision",
		Help: "The policy in force: the number of its revision, or a digest of the file; 0 without one.",
	}, func() float64 { return revisionNumber(b.Policy().ID) })
}

// revisionNumber is what stands behind the letter of a saved revision, or the digest
// of a file. Six bytes of it fit into a float64 without loss.
func revisionNumber(id string) float64 {
	if digest, ok := strings.CutPrefix(id, "sha256:"); ok {
		n, _ := strconv.ParseUint(digest, 16, 64)
		return float64(n)
	}
	n, _ := strconv.ParseUint(strings.TrimPrefix(id, "r"), 10, 64)
	return float64(n)
}
