package console

import (
	"fmt"
	"time"

	"drawbridge/bridge/manage"
)

// part is a part of the program as the overview shows it.
type part struct {
	Name   string
	Health manage.Health
}

// measured are the metrics that the overview reads.
type measured map[string]float64

// measure reads the process's own metrics. A collector that fails leaves out its
// own.
func (h *Handler) measure() measured {
	m := measured{}
	if h.Metrics == nil {
		return m
	}
	families, _ := h.Metrics.Gather()
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			if old, seen := m[family.GetName()]; seen && family.GetName() == keyExpiry {
				value = min(old, value)
			} else if seen {
				value += old
			}
			m[family.GetName()] = value
		}
	}
	return m
}

// The metrics that are more than up or down.
const (
	keyExpiry      = "drawbridge_key_expiry_timestamp_seconds"
	auditDropped   = "drawbridge_audit_dropped_total"
	reloadFailures = "drawbridge_policy_reload_failures_total"
)

// parts says how everything does that a login or a decision stands on.
func (v *visit) parts(m measured) []part {
	var list []part
	if connectors, err := v.Desk.ListConnectors(v.actor); err == nil {
		for _, c := range connectors {
			list = append(list, part{"Connector " + c.Name, c.Health})
		}
	}
	for _, p := range []struct{ metric, name, down string }{
		{"drawbridge_store_up", "Store", "it does not answer; logins go on, and nothing can be changed"},
		{"drawbridge_feed_fresh", "Revocations", "they are not fresh, so gateways let nothing through"},
		{"drawbridge_feed_relay_up", "Redis", "it does not hold the end of the feed; everything goes on through the store"},
	} {
		value, known := m[p.metric]
		switch {
		case !known:
		case value == 0:
			list = append(list, part{p.name, manage.Health{State: manage.Down, Detail: p.down}})
		default:
			list = append(list, part{p.name, manage.Health{State: manage.Up}})
		}
	}
	return list
}

// warnings are sentences about what the metrics show.
func warnings(m measured, now time.Time) []notice {
	var list []notice
	if at, known := m[keyExpiry]; known && at > 0 {
		if left := time.Unix(int64(at), 0).Sub(now); left < 7*24*time.Hour {
			list = append(list, notice{Text: "A key or certificate expires on " + when(time.Unix(int64(at), 0)) + ".", Path: "/console/keys"})
		}
	}
	if n := m[auditDropped]; n > 0 {
		list = append(list, notice{Text: fmt.Sprintf("%.0f audit events were lost since this process began; its log says why.", n)})
	}
	if n := m[reloadFailures]; n > 0 {
		list = append(list, notice{Text: fmt.Sprintf("A policy or a file was refused %.0f times since this process began; the last good one is in force.", n)})
	}
	return list
}
