package sessions

import (
	"context"
	"encoding/json"
	"time"
)

// RememberFor is for how long a session is honoured after the store last confirmed
// it, while the store does not answer.
const RememberFor = 15 * time.Minute

// remembered is a session as the cache keeps it, with what [Session] shows nobody.
type remembered struct {
	Session     Session   `json:"session"`
	Version     string    `json:"version,omitempty"`
	ConfirmedAt time.Time `json:"confirmed_at"`
}

func rememberedKey(hash Hash) string { return "session:" + string(hash) }

// remember keeps a session that the store has just confirmed. One that rotates is of
// no use without the store.
func (m *Manager) remember(ctx context.Context, s Session, confirmed time.Time) {
	if m.opts.Cache == nil || s.Rotating {
		return
	}
	value, err := json.Marshal(remembered{s, s.CredentialVersion, confirmed})
	if err == nil {
		err = m.opts.Cache.Set(ctx, rememberedKey(s.Token.Session), value, RememberFor-m.opts.Clock().Sub(confirmed))
	}
	if err != nil {
		m.opts.Log.DebugContext(ctx, "session cache: write", "error", err)
	}
}

// recall returns the session that the cache remembers, or nil.
func (m *Manager) recall(ctx context.Context, hash Hash) *Session {
	if m.opts.Cache == nil {
		return nil
	}
	value, ok, err := m.opts.Cache.Get(ctx, rememberedKey(hash))
	if err != nil {
		m.opts.Log.DebugContext(ctx, "session cache: read", "error", err)
	}
	if err != nil || !ok {
		return nil
	}
	var r remembered
	if err := json.Unmarshal(value, &r); err != nil {
		m.opts.Log.WarnContext(ctx, "session cache: a value cannot be read and is ignored", "error", err)
		return nil
	}
	// The cache's own clock may be another one, and a wall clock may be set back.
	age := m.opts.Clock().Sub(r.ConfirmedAt)
	if age < 0 || age > RememberFor || r.Session.ID == "" {
		return nil
	}
	r.Session.CredentialVersion, r.Session.Token = r.Version, TokenState{Session: hash}
	return &r.Session
}

// forget drops what the cache remembers. Where that fails, the announcement of the
// session's end is what keeps it from being honoured.
func (m *Manager) forget(ctx context.Context, s *Session) {
	m.uses.drop(s.ID)
	if m.opts.Cache == nil {
		return
	}
	if err := m.opts.Cache.Delete(ctx, rememberedKey(s.Token.Session)); err != nil {
		m.opts.Log.DebugContext(ctx, "session cache: delete", "error", err)
	}
}
