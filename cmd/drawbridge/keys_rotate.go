package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"drawbridge/audit"
	"drawbridge/configs"
	"drawbridge/store"
	"drawbridge/tokens"

	"github.com/spf13/cobra"
)

// How long `keys rotate` waits for running servers to answer. They look four times
// a second, and making an RSA key takes a moment.
const (
	rotatePatience = 5 * time.Second
	rotatePoll     = 50 * time.Millisecond
)

// rotateFlags are the flags of `keys rotate`.
type rotateFlags struct {
	emergency, retire, newCA, retireCA bool
	service, reason                    string
}

func newKeysRotate() *cobra.Command {
	var flags rotateFlags
	cmd := &cobra.Command{
		Use: "rotate", Short: "Replace signing keys now, while everything runs",
		Long: `Without flags every replica makes a new leaf key at once. Tokens of the old ones stay
good until they expire, and no registry needs a restart.

  --emergency       a leaf key may be in wrong hands: revoke all leaf keys as well
  --service NAME    the service's static key instead (registries of the kinds
                    distribution-3-jwks and zot). Its registry must be restarted with the
                    new file. For distribution-3-jwks in two steps: the first lists the new
                    key beside the old one, the second (--retire) signs with it.
  --new-ca          make the signing CA that is to follow; signing-ca.pem then has both
  --retire-ca       go on with that CA, when every registry was restarted with that file

What is left to do is printed.`,
		Args: cobra.NoArgs,
	}
	output := addOutput(cmd)
	f := cmd.Flags()
	f.BoolVar(&flags.emergency, "emergency", false, "also revoke the keys that are replaced: every token they have signed is refused")
	f.StringVar(&flags.service, "service", "", "replace the static key of this service")
	f.BoolVar(&flags.retire, "retire", false, "with --service: sign with the key that was prepared, and retire the old one")
	f.BoolVar(&flags.newCA, "new-ca", false, "make the signing CA that is to follow")
	f.BoolVar(&flags.retireCA, "retire-ca", false, "replace the signing CA by the one that --new-ca made")
	f.StringVar(&flags.reason, "reason", "", "why, for the audit log")
	cmd.MarkFlagsMutuallyExclusive("service", "new-ca", "retire-ca")
	cmd.MarkFlagsMutuallyExclusive("emergency", "new-ca", "retire-ca")
	cmd.MarkFlagsMutuallyExclusive("retire", "emergency")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if flags.retire && flags.service == "" {
			return errors.New("--retire needs --service")
		}
		if err := onTheHost(cmd); err != nil {
			return err
		}
		m, err := openManaged(cmd)
		if err != nil {
			return err
		}
		defer m.close()
		keys, err := m.openKeys(errorLog(cmd.ErrOrStderr()))
		if err != nil {
			return err
		}
		r := &rotation{keys: keys, cfg: m.cfg, flags: flags, order: tokens.Order{By: m.actor, Reason: flags.reason}}
		report, err := r.run(cmd.Context())
		for _, e := range r.events {
			m.audit.Act(cmd.Context(), e)
		}
		if err != nil {
			return refusedOrUnknown(err)
		}
		return output.print(cmd.OutOrStdout(), report, report.text)
	}
	return cmd
}

// refusedOrUnknown gives an error the exit code 1 when the answer is no, and leaves
// it 2 when the store could not be asked.
func refusedOrUnknown(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return &exitError{code: 1, err: err}
}

// rotation is one run of the command.
type rotation struct {
	keys  *tokens.Keys
	cfg   *configs.Config
	flags rotateFlags
	order tokens.Order
	// events are what was done, also when a later step fails.
	events []audit.Event
}

// did notes what was done, for the audit log.
func (r *rotation) did(action audit.Action, targets ...string) {
	for _, target := range targets {
		r.events = append(r.events, audit.Event{Action: action, Personal: audit.Personal{Target: target}, Note: r.flags.reason})
	}
}

// replaced notes that keys were replaced, or revoked as well.
func (r *rotation) replaced(keys []tokens.Record) {
	action := audit.KeyRotated
	if r.flags.emergency {
		action = audit.KeyRevoked
	}
	for _, k := range keys {
		r.did(action, k.KeyID)
	}
}

// rotateReport is what was done and what is left to do.
type rotateReport struct {
	Done string `json:"done"`
	// Keys are those that were replaced.
	Keys []rotatedKey `json:"keys,omitempty"`
	// AcceptedUntil is how long registries without /verify take what a stolen key signs.
	AcceptedUntil *time.Time `json:"accepted_until,omitempty"`
	// Notes are sentences about what this does and does not do.
	Notes []string `json:"notes,omitempty"`
	// Next are the steps that follow, in their order.
	Next []string `json:"next,omitempty"`
}

type rotatedKey struct {
	KeyID   string `json:"kid"`
	Replica string `json:"replica"`
	// Replaced is false while the replica goes on with it.
	Replaced bool `json:"replaced"`
}

func (r *rotation) run(ctx context.Context) (rotateReport, error) {
	switch {
	case r.flags.newCA:
		return r.newCA(ctx)
	case r.flags.retireCA:
		return r.retireCA(ctx)
	case r.flags.service != "":
		return r.static(ctx)
	}
	return r.leaves(ctx)
}

// leaves rolls the leaves of all replicas.
func (r *rotation) leaves(ctx context.Context) (rotateReport, error) {
	roll := r.keys.RollLeaves
	if r.flags.emergency {
		roll = r.keys.RevokeLeaves
	}
	leaves, err := roll(ctx, r.order)
	if err != nil {
		return rotateReport{}, err
	}
	r.replaced(leaves)
	syncErr := r.keys.Sync(ctx) // a server that shares the directory may have been faster
	waiting, err := r.await(ctx, leaves)
	if err = errors.Join(syncErr, err); err != nil {
		return rotateReport{}, fmt.Errorf("the keys are to be replaced, and a server that runs does so by itself; what became of it could not be told: %w", err)
	}
	report := rotateReport{Done: "Every replica makes a new signing key. Tokens of the old keys stay good until they expire."}
	for _, leaf := range leaves {
		late := slices.ContainsFunc(waiting, func(w tokens.Record) bool { return w.KeyID == leaf.KeyID })
		report.Keys = append(report.Keys, rotatedKey{leaf.KeyID, leaf.Replica, !late})
	}
	if len(waiting) > 0 {
		report.Notes = append(report.Notes, "A replica that goes on with its key does not run, or does not reach the store: it makes a new key as soon as it does.")
	}
	report.Notes = append(report.Notes, "No registry needs a restart: they trust the CA.")
	if r.flags.emergency {
		report.emergency(r, leaves)
	}
	return report, nil
}

// await waits until running replicas have replaced the leaves.
func (r *rotation) await(ctx context.Context, leaves []tokens.Record) ([]tokens.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, rotatePatience)
	defer cancel()
	poll := time.NewTicker(rotatePoll)
	defer poll.Stop()
	for {
		waiting, err := r.keys.Waiting(context.WithoutCancel(ctx), leaves)
		if err != nil || len(waiting) == 0 {
			return waiting, err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return waiting, nil
		}
	}
}

// static replaces the static key of a service: at once where the registry can
// know one key only, or where the old one is not to be trusted any more.
func (r *rotation) static(ctx context.Context) (rotateReport, error) {
	entry, err := findRegistry(r.cfg, r.flags.service)
	if err != nil {
		return rotateReport{}, err
	}
	oneKey := entry.For == configs.ForZot
	if !oneKey && !r.flags.emergency && !r.flags.retire {
		return r.prepare(ctx)
	}
	if r.flags.retire && !oneKey {
		if err := r.mayRetire(ctx); err != nil {
			return rotateReport{}, err
		}
	}
	_, before, err := r.keys.SwitchStatic(ctx, r.flags.service, r.flags.emergency, r.order)
	if err != nil {
		return rotateReport{}, err
	}
	r.replaced(before)
	if err := r.keys.Sync(ctx); err != nil {
		return rotateReport{}, err
	}
	report := rotateReport{Done: fmt.Sprintf("The tokens of service %q are signed with its new key.", r.flags.service)}
	for _, old := range before {
		report.Keys = append(report.Keys, rotatedKey{old.KeyID, old.Replica, true})
	}
	switch {
	case r.flags.emergency:
		report.Notes = []string{"Revoked: /verify and introspection refuse every token that the old key has signed.",
			"The registry itself goes on to accept the old key, and refuses the new one, until it is restarted with the new file."}
	case oneKey:
		report.Notes = []string{"The registry refuses new tokens until it is restarted with the new file: do it now."}
	default:
		report.Notes = []string{"A registry that was not restarted since the key was prepared refuses new tokens until it is."}
		return report, nil
	}
	report.Next = []string{fmt.Sprintf("Give %s to the registry and restart it.", absolute(staticFile(r.cfg, r.keys, r.flags.service)))}
	return report, nil
}

// mayRetire refuses to retire a key that has no prepared successor, which would
// lock the registry out. Where the service has no key that works, none is needed.
func (r *rotation) mayRetire(ctx context.Context) error {
	infos, err := r.keys.List(ctx)
	if err != nil {
		return err
	}
	has := func(state string) bool {
		return slices.ContainsFunc(infos, func(k tokens.KeyInfo) bool { return k.Service == r.flags.service && k.State == state })
	}
	if has(tokens.ShownSigning) && !has(tokens.ShownNext) {
		return fmt.Errorf("no new key is prepared for service %q, so that its registry would be locked out: run the command without --retire first", r.flags.service)
	}
	return nil
}

func (r *rotation) prepare(ctx context.Context) (rotateReport, error) {
	made, err := r.keys.PrepareStatic(ctx, r.flags.service, r.order)
	if err != nil {
		return rotateReport{}, err
	}
	r.did(audit.KeyPrepared, made.KeyID)
	if err := r.keys.Sync(ctx); err != nil {
		return rotateReport{}, err
	}
	return rotateReport{
		Done:  fmt.Sprintf("The JWKS lists a new key of service %q beside the old one, which still signs: %s", r.flags.service, made.KeyID),
		Notes: []string{"The registry reads the file at its start only."},
		Next: []string{
			fmt.Sprintf("Give %s to the registry and restart it, at leisure: it takes tokens of both keys then.", absolute(r.keys.JWKSFile())),
			fmt.Sprintf("Run: drawbridge keys rotate --service %q --retire", r.flags.service),
		},
	}, nil
}

func (report rotateReport) text() string {
	var out strings.Builder
	fmt.Fprintln(&out, report.Done)
	if len(report.Keys) > 0 {
		fmt.Fprintln(&out)
		w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "OLD KEY\tREPLICA\tSTATE")
		for _, k := range report.Keys {
			state := "replaced"
			if !k.Replaced {
				state = "goes on"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", k.KeyID, k.Replica, state)
		}
		_ = w.Flush()
	}
	for _, note := range report.Notes {
		fmt.Fprintf(&out, "\n%s\n", note)
	}
	if len(report.Next) > 0 {
		fmt.Fprintln(&out, "\nWhat to do now:")
		for i, step := range report.Next {
			fmt.Fprintf(&out, "  %d. %s\n", i+1, step)
		}
	}
	return out.String()
}

// trustAnchor is the file that registries mount.
func (r *rotation) trustAnchor() string {
	return absolute(filepath.Join(r.cfg.DataDir, "keys", tokens.TrustFileName("", tokens.FormX5C, "")))
}
