package bridge

import (
	"context"
	"time"

	"drawbridge/identity"
)

// Rate says how long an account has to wait for its next token; zero is not at all.
type Rate interface {
	Allow(ctx context.Context, account string) (time.Duration, error)
}

// rateKey begins the keys of accounts.
const rateKey = "rate:account:"

// paced refuses an account whose requests come too often, wherever from. Anonymous
// callers have none. A client that was given the next generation of its refresh token
// is let through, or it would never learn that token. A limit that cannot be asked
// refuses nobody.
func (b *Bridge) paced(ctx context.Context, req Request, who caller) error {
	rotated := !req.RefreshToken.Empty() && who.refresh.Reveal() != req.RefreshToken.Reveal()
	if b.opts.Accounts == nil || who.Kind == identity.Anonymous || rotated {
		return nil
	}
	wait, err := b.opts.Accounts.Allow(ctx, rateKey+who.String())
	if err != nil || wait <= 0 {
		return nil //nolint:nilerr // documented: the limit is no reason to turn people away
	}
	return &identity.Error{
		Kind: identity.RateLimited, RetryAfter: wait,
		Message: "This account asks for tokens more often than it may. Wait a few seconds; many jobs with one account need accounts of their own.",
	}
}
