package main

import (
	"context"
	"errors"
	"fmt"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge"
	"drawbridge/bridge/manage"
	"drawbridge/connectors/robot"
	"drawbridge/identity"
	"drawbridge/tokens"

	"github.com/spf13/cobra"
)

// The offices are what the commands need of whoever manages: a manage.Seat at the
// store that --config names, or a client of the server that --server names.
type (
	policyOffice interface {
		Policy(ctx context.Context) (revisions.Revision, error)
		Revision(ctx context.Context, number int64) (revisions.Revision, error)
		Revisions(ctx context.Context, limit int) ([]revisions.Revision, error)
		Diff(ctx context.Context, number int64) (string, error)
		Plan(ctx context.Context, text string) (manage.Plan, error)
		Hygiene(ctx context.Context) (manage.Hygiene, error)
		SavePolicy(ctx context.Context, draft revisions.Draft) (revisions.Revision, error)
		RollBack(ctx context.Context, number int64, draft revisions.Draft) (revisions.Revision, error)
	}
	accessOffice interface {
		Explain(ctx context.Context, q manage.Question) (authz.Explanation, error)
		WhoCan(ctx context.Context, q manage.Question) ([]authz.Holder, error)
		List(ctx context.Context, who string, groups []string) (manage.Access, error)
	}
	robotOffice interface {
		ListRobots(ctx context.Context) ([]manage.RobotInfo, error)
		CreateRobot(ctx context.Context, req robot.Request) (manage.NewSecret, error)
		RotateRobot(ctx context.Context, name string, how robot.Rotation) (manage.NewSecret, error)
		DisableRobot(ctx context.Context, name string, disabled bool) error
		DeleteRobot(ctx context.Context, name string) error
	}
	sessionOffice interface {
		ListSessions(ctx context.Context, q manage.SessionQuery) (manage.SessionPage, error)
		EndSessions(ctx context.Context, ids []string, reason string) (manage.Ended, error)
		EndPerson(ctx context.Context, who, reason string) (manage.Ended, error)
	}
	peopleOffice interface {
		ForgetPerson(ctx context.Context, who, reason string) error
		RevokeToken(ctx context.Context, id, reason string) error
	}
	keyOffice interface {
		ListKeys(ctx context.Context) ([]manage.Key, error)
	}
	// office is all of them.
	office interface {
		policyOffice
		accessOffice
		robotOffice
		sessionOffice
		peopleOffice
		keyOffice
	}
)

// withOffice runs a command at the office that its flags name.
func withOffice(run func(cmd *cobra.Command, args []string, o office) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		o, closeOffice, err := openOffice(cmd)
		if err != nil {
			return answered(err)
		}
		defer closeOffice()
		return answered(run(cmd, args, o))
	}
}

// openOffice opens the server's API or the store.
func openOffice(cmd *cobra.Command) (office, func(), error) {
	remote, err := openRemote(cmd)
	if err != nil || remote != nil {
		return remote, func() {}, err
	}
	return openSeat(cmd)
}

// openSeat opens the store for a command, with the rights of somebody who can read
// it.
func openSeat(cmd *cobra.Command) (*manage.Seat, func(), error) {
	m, err := openManaged(cmd)
	if err != nil {
		return nil, nil, err
	}
	source := &policySource{file: m.cfg.Policy.File, opts: compileOptions(m.cfg)}
	if source.file == "" {
		source.store = m.store
	}
	revision, err := source.load(cmd.Context())
	if err != nil {
		// A policy that this version cannot read is one more reason to save another,
		// and no reason against ending a session.
		none, _ := (&policySource{opts: source.opts}).compile("none", []byte("bindings: []\n"))
		revision = bridge.Revision{ID: "none", Policy: none}
	}
	desk := newDesk(m.cfg, m.store, func() bridge.Revision { return revision }, lookers{}, m.audit)
	desk.Changes, desk.Clock = m.changes, m.clock
	desk.Keys = &heldKeys{m: m, cmd: cmd}
	desk.Mounted = func(k tokens.KeyInfo) string { return desk.Keys.(*heldKeys).mounted(k) }
	return &manage.Seat{Desk: desk, Actor: manage.Operator(m.actor)}, m.close, nil
}

// heldKeys opens the signing keys when somebody asks for them: other commands do
// without, on a machine that has none.
type heldKeys struct {
	m    *managed
	cmd  *cobra.Command
	keys *tokens.Keys
}

func (h *heldKeys) open() (err error) {
	if h.keys == nil {
		h.keys, err = h.m.openKeys(errorLog(h.cmd.ErrOrStderr()))
	}
	return err
}

// List implements [manage.Keys].
func (h *heldKeys) List(ctx context.Context) ([]tokens.KeyInfo, error) {
	if err := h.open(); err != nil {
		return nil, &identity.Error{Kind: identity.Unavailable, Message: "The keys cannot be opened.", Err: err}
	}
	return h.keys.List(ctx)
}

// RollLeaves implements [manage.Keys].
func (h *heldKeys) RollLeaves(ctx context.Context, o tokens.Order) ([]tokens.Record, error) {
	if err := h.open(); err != nil {
		return nil, err
	}
	return h.keys.RollLeaves(ctx, o)
}

// RevokeLeaves implements [manage.Keys].
func (h *heldKeys) RevokeLeaves(ctx context.Context, o tokens.Order) ([]tokens.Record, error) {
	if err := h.open(); err != nil {
		return nil, err
	}
	return h.keys.RevokeLeaves(ctx, o)
}

func (h *heldKeys) mounted(k tokens.KeyInfo) string { return mountedFile(h.m.cfg, h.keys, k) }

// answered gives an error its exit code: 1 where the answer is no, and 2 where none
// could be had.
func answered(err error) error {
	if _, done := errors.AsType[*exitError](err); err == nil || done {
		return err
	}
	if problems, ok := errors.AsType[authz.Problems](err); ok {
		return &exitError{code: 1, err: fmt.Errorf("the policy in force stays; the document has problems:\n%w", problems)}
	}
	if stale, ok := errors.AsType[*revisions.Stale](err); ok {
		return &exitError{code: 1, err: errors.New(manage.Sentence(stale.Error()))}
	}
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case identity.Invalid, identity.TooLarge, identity.Forbidden, identity.NotFound, identity.Conflict, identity.Stale, identity.Unsupported:
		return &exitError{code: 1, err: errors.New(e.Message)}
	case identity.Internal, identity.Unauthenticated, identity.Unavailable, identity.RateLimited:
	}
	return e
}
