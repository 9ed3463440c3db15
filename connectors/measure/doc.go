// Package measure is what the metrics of connectors have in common: the time of
// requests to whoever a connector asks, by what was asked and how it ended.
//
//	drawbridge_<backend>_request_duration_seconds{connector, op, outcome}
//
// The outcome is one of a closed list, the same for every backend. It says whether
// the backend did its work, and not whether somebody was let in. No label holds a
// user. In a traced request each is a span as well (package tracing).
package measure
