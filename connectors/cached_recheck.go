package connectors

import (
	"context"
	"strconv"
	"time"

	"drawbridge/identity"
)

// Recheck asks whether a connector still vouches for somebody (see [Rechecker]),
// once for all who ask the same at the same time. A grant is remembered for TTL, as
// that of a verified password is, and no longer: there is no grace for somebody who
// shows no password. Whatever is no grant is never remembered.
func (c *CachedChain) Recheck(ctx context.Context, id identity.Identity, version string) Verdict {
	key := "recheck:" + c.digest(id.Connector, id.StableID, id.Name, version)
	who := identity.Credential{Username: id.Name}
	if r, known := c.load(ctx, key, who); known && c.opts.Clock().Before(time.UnixMilli(r.Until)) {
		return r.verdict()
	}
	since := c.opts.Forgets.Moment()
	return c.together(ctx, key+strconv.FormatUint(uint64(since), 10), func(ctx context.Context) Verdict {
		at := c.opts.Clock()
		verdict := c.survive(ctx, func() Verdict { return c.chain.Recheck(ctx, id, version) })
		verdict.VerifiedAt = at
		if verdict.Kind() != KindGranted || c.opts.TTL <= 0 {
			return verdict
		}
		r := remembered{
			Connector: verdict.Connector, Identity: verdict.Identity(), At: at.UnixMilli(), Until: at.Add(c.opts.TTL).UnixMilli(),
		}
		if err := c.store(ctx, key, who, r, c.opts.TTL, since); err != nil {
			c.opts.Log.DebugContext(ctx, "credential cache: write", "error", err)
		}
		return verdict
	})
}
