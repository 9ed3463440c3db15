package sessions

import (
	"context"
	"sync"
	"time"
)

const (
	// recordEvery is how exact LastUsedAt is.
	recordEvery = time.Minute
	// flushEvery is how long a use waits at most before it is written.
	flushEvery = time.Second
	// maxPending bounds the uses that wait. Over it they are lost: a session's next
	// use is recorded instead.
	maxPending = 10_000
	// atOnce is how many uses one transaction writes.
	atOnce = 500

	countEvery = time.Minute
	pruneEvery = 10 * time.Minute
	// flushTimeout bounds the last write when the program ends.
	flushTimeout = 2 * time.Second
)

// pending are uses that are not written yet, by session: no answer waits for that.
type pending struct {
	mu   sync.Mutex
	uses map[string]pendingUse
}

// pendingUse is a use, and the session as the store had it then.
type pendingUse struct {
	session Session
	use     Use
}

func (p *pending) add(s Session, use Use) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.uses == nil {
		p.uses = map[string]pendingUse{}
	}
	if _, there := p.uses[s.ID]; there || len(p.uses) < maxPending {
		p.uses[s.ID] = pendingUse{s, use}
	}
}

func (p *pending) drop(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.uses, id)
}

// take returns what is pending and begins anew.
func (p *pending) take() map[string]pendingUse {
	p.mu.Lock()
	defer p.mu.Unlock()
	uses := p.uses
	p.uses = nil
	return uses
}

// Run records uses, counts the live sessions and forgets those that are over, until
// ctx ends; then it writes what is pending.
func (m *Manager) Run(ctx context.Context) {
	flush, count, prune := time.NewTicker(flushEvery), time.NewTicker(countEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer count.Stop()
	defer prune.Stop()
	m.count(ctx)
	for {
		select {
		case <-flush.C:
			m.flush(ctx)
		case <-count.C:
			m.count(ctx)
		case <-prune.C:
			m.prune(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			m.flush(last)
			return
		}
	}
}

// flush writes what is pending to the store and the cache. What the store does not
// take is dropped: the next use of the session is recorded instead.
func (m *Manager) flush(ctx context.Context) {
	batch := make([]Use, 0, atOnce)
	write := func() {
		if len(batch) == 0 {
			return
		}
		if err := m.opts.Store.RecordUses(ctx, batch...); err != nil {
			m.opts.Log.DebugContext(ctx, "the use of sessions is not recorded", "sessions", len(batch), "error", err)
		}
		batch = batch[:0]
	}
	for _, p := range m.uses.take() {
		m.remember(ctx, p.session, p.use.At)
		if batch = append(batch, p.use); len(batch) == atOnce {
			write()
		}
	}
	write()
}

func (m *Manager) count(ctx context.Context) {
	n, err := m.opts.Store.CountSessions(ctx, m.opts.Clock())
	if err != nil {
		m.opts.Log.DebugContext(ctx, "the sessions are not counted", "error", err)
		return
	}
	m.opts.Metrics.live(n)
}

// prune forgets what is over, in small steps, so that writers get their turn.
func (m *Manager) prune(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := m.opts.Store.PruneSessions(ctx, m.opts.Clock())
		if err != nil {
			m.opts.Log.WarnContext(ctx, "sessions that are over could not be forgotten", "error", err)
		}
		if err != nil || n == 0 {
			return
		}
	}
}
