package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// session is one connection to one host. The socket is ours, because closing it
// is the one way to end an operation of go-ldap that hangs in a write or in a
// TLS handshake; its own timeout covers neither. One goroutine uses it at a time.
type session struct {
	conn *ldap3.Conn
	sock net.Conn
	host *host

	// used and expires are the pool's, on its clock: when the connection came
	// back last, and when its lifetime ends.
	used    time.Time
	expires time.Time
	// broken is set by anything but a clean result.
	broken bool
}

// errNoAnswer marks an operation that ran into its time limit.
var errNoAnswer = errors.New("no answer within the time limit")

// do runs one operation, of that name in metrics, under the context and the limit, whichever ends first.
// On any error the session is broken: what the server still sends, such as the
// late success of a bind, belongs to nobody.
func (s *session) do(ctx context.Context, name string, limit time.Duration, op func(*ldap3.Conn) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	question := s.host.ask(ctx, name)
	defer func() { question.End(s.host.metrics, requestOutcome(err)) }()
	end := time.Now().Add(limit)
	if ctxEnd, ok := ctx.Deadline(); ok && ctxEnd.Before(end) {
		end = ctxEnd
	}
	if err := s.sock.SetDeadline(end); err != nil {
		s.broken = true
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.sock.Close() })
	err = op(s.conn)
	if !stop() || s.sock.SetDeadline(time.Time{}) != nil || err != nil {
		s.broken = true
	}
	if _, fromServer := resultCode(err); err == nil || fromServer {
		s.host.answered()
	}
	if err != nil && !time.Now().Before(end) {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return err
}

// usable reports whether another operation may be sent.
func (s *session) usable() bool { return !s.broken && !s.conn.IsClosing() }

// close ends the connection and go-ldap's goroutines. The socket goes first:
// go-ldap would wait for a writer that the peer does not read.
func (s *session) close() {
	_ = s.sock.Close()
	_ = s.conn.Close()
}

// connect dials the host and completes TLS or StartTLS, all within the dial
// limit and the context.
func (h *host) connect(ctx context.Context, limit time.Duration) (*session, error) {
	sock, end, err := h.reach(ctx, limit)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	if h.tls == nil || h.startTLS {
		s := newSession(h, sock, sock, false)
		if !h.startTLS {
			return s, nil
		}
		if err := s.do(ctx, opStartTLS, limit, func(c *ldap3.Conn) error { return c.StartTLS(h.tls) }); err != nil {
			s.close()
			return nil, fmt.Errorf("start tls: %w", err)
		}
		return s, nil
	}
	secured := tls.Client(sock, h.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = sock.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	return newSession(h, secured, sock, true), nil
}

func newSession(h *host, conn, sock net.Conn, isTLS bool) *session {
	s := &session{conn: ldap3.NewConn(conn, isTLS), sock: sock, host: h}
	s.conn.Start()
	return s
}

var errNoHost = errors.New("no host is left to ask")

// open connects to the hosts in their order, the one to avoid last, and returns
// the first session that setup accepts. A host that cannot be reached, or whose
// setup fails for a reason another host need not share, leads to the next one.
func (c *Connector) open(ctx context.Context, avoid *host, setup func(context.Context, *session) error) (*session, error) {
	var failures []error
	hosts, err := c.sources.hosts(ctx)
	if err != nil {
		failures = append(failures, err)
	}
	for _, h := range order(hosts, c.clock(), avoid) {
		s, err := c.openAt(ctx, h, setup)
		if err == nil {
			return s, nil
		}
		failures = append(failures, err)
		if !retryable(err) {
			return nil, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(failures) == 0 {
		failures = append(failures, errNoHost)
	}
	return nil, &opError{phase: phaseConnect, err: errors.Join(failures...)}
}

// openAt connects to one host, where its breaker lets it, and tells the breaker
// how that ended.
func (c *Connector) openAt(ctx context.Context, h *host, setup func(context.Context, *session) error) (*session, error) {
	leave, ok := h.enter()
	if !ok {
		return nil, &opError{phase: phaseConnect, host: h.addr, err: errHostOpen}
	}
	defer leave()
	question := h.ask(ctx, opConnect)
	s, err := h.connect(ctx, c.limits.dial)
	question.End(h.metrics, requestOutcome(err))
	if err != nil {
		err = &opError{phase: phaseConnect, host: h.addr, err: err}
	} else if err = setup(ctx, s); err == nil {
		return s, nil
	} else {
		s.close()
	}
	// A login that is over before the host could answer is not the host's fault.
	if retryable(err) && ctx.Err() == nil {
		h.failed(c.clock())
	}
	return nil, err
}

// openService opens a connection that is bound as the service account, or left
// anonymous where there is none.
func (c *Connector) openService(ctx context.Context, avoid *host) (*session, error) {
	return c.open(ctx, avoid, func(ctx context.Context, s *session) error {
		if c.bindDN != "" {
			err := s.do(ctx, opServiceBind, c.limits.op, func(conn *ldap3.Conn) error {
				return conn.Bind(c.bindDN, c.bindPassword.Reveal())
			})
			if err != nil {
				return &opError{phase: phaseServiceBind, host: s.host.addr, err: err}
			}
		}
		if c.groups.mode != groupsAD {
			return nil
		}
		if err := s.requireAD(ctx, c.limits.op); err != nil {
			return &opError{phase: phaseConnect, host: s.host.addr, err: err}
		}
		return nil
	})
}
