// Package tracing makes OpenTelemetry traces: what a request did, step by step, and how
// long each step took.
//
// A request is a span of kind server, made by a [Tracer]. Everything below it finds its
// parent in the context: [Step] begins a part of the work that is done here, [Ask] a
// question to somebody else, such as a directory. Where no traced request is in the
// context, and so wherever tracing is off, both return the zero [Span], whose methods do
// nothing; neither allocates.
//
// # What a span holds
//
// Names and attributes come from closed lists or from the configuration: routes,
// connectors, outcomes. No span holds a user, a client's address, a repository, a
// password, a token or the text of an error, since a collector is read by more people than
// the audit log and keeps what it has. The root has the request's ID, and the policy's decision its
// own: under both the audit log tells who it was.
//
// # Whose trace
//
// A request whose caller may say so goes on with the caller's trace and is recorded if
// that one is (W3C Trace Context, traceparent and tracestate). Who may is decided by the
// caller of [Tracer.Request]: a stranger who could would have every request recorded, and
// could write into the traces of others. All other requests begin a trace, and the ratio
// decides which of them are recorded.
//
// # The way to the collector
//
// Finished spans wait in a bounded queue for a goroutine that posts them, as OTLP in
// protobuf over HTTP, a few hundred at a time. A request never waits for that: what does not
// fit into the queue is dropped, and what a collector does not take within its time is
// lost. Both are counted, and the log has a line when that begins, when it ends, and now
// and then in between.
//
// The settings are those of [Options]; of the OTEL_ variables of the environment only
// OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are read, which say what the process is
// and not what it does.
package tracing
