package connectors

import (
	"context"

	"drawbridge/identity"
	"drawbridge/tracing"
)

// authenticate asks one connector, which is a step of the request's trace.
func authenticate(ctx context.Context, c Connector, cred identity.Credential) (outcome Outcome) {
	ctx, span := tracing.Step(ctx, "authenticate")
	defer func() { end(span, c.Name(), outcome) }()
	return c.Authenticate(ctx, cred)
}

// recheck is authenticate for somebody without a password.
func recheck(ctx context.Context, name string, c Rechecker, id identity.Identity, version string) (outcome Outcome) {
	ctx, span := tracing.Step(ctx, "recheck")
	defer func() { end(span, name, outcome) }()
	return c.Recheck(ctx, id, version)
}

func end(span tracing.Span, connector string, outcome Outcome) {
	kind := outcome.Kind()
	span.String(tracing.Connector, connector)
	span.String(tracing.Reason, string(outcome.Reason()))
	span.End(kind.String(), kind == KindUnavailable || kind == KindMisconfigured)
}
