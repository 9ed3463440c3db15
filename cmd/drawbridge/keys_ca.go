package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drawbridge/audit"
	"drawbridge/configs"
	"drawbridge/tokens"
)

// auditedCA is what audit events call the CA.
const auditedCA = "signing CA"

// emergency says what revoking the leaves does, what it does not, and how to end
// the rest.
func (report *rotateReport) emergency(r *rotation, leaves []tokens.Record) {
	report.Done = "Revoked: /verify and introspection refuse every token that these keys have signed, on every replica within a second."
	var until time.Time
	for _, leaf := range leaves {
		if leaf.NotAfter.After(until) {
			until = leaf.NotAfter.UTC()
		}
	}
	report.AcceptedUntil = &until
	report.Notes = append(report.Notes,
		fmt.Sprintf("This does not reach a registry without /verify in front of it: it trusts the CA, and takes what a stolen key signs until the key's certificate ends, "+
			"at the latest on %s.", until.Format("2006-01-02 15:04 UTC")),
		"Whoever has the CA's private key, too, can issue keys that every registry trusts, for as long as the CA lives. Replace the CA unless you know that it was not read.")
	for _, entry := range r.cfg.Registries {
		if entry.TokenForm == configs.FormKID {
			report.Notes = append(report.Notes, fmt.Sprintf("The static key of service %q was not touched. If it may be known, too: drawbridge keys rotate --emergency --service %[1]q", entry.Service))
		}
	}
	report.Notes = append(report.Notes, "To have registries refuse the stolen key before that day, replace the CA as follows.")
	report.Next = r.caSteps()
}

// caSteps is how a CA is replaced.
func (r *rotation) caSteps() []string {
	if r.ownCA() {
		return []string{
			"Run: drawbridge keys rotate --new-ca",
			fmt.Sprintf("Give %s to every registry and restart it, at leisure. The file has both certificates, so that nothing is refused meanwhile.", r.trustAnchor()),
			"Run: drawbridge keys rotate --retire-ca",
			fmt.Sprintf("Give %s, which has the new certificate alone by then, to every registry and restart it. From then on it refuses whatever is under the old CA.", r.trustAnchor()),
		}
	}
	return []string{
		"Make a new CA, and one file that holds the old certificate (" + r.cfg.Tokens.CACertFile + ") and then the new one.",
		"Give that file to every registry as its rootcertbundle and restart it, at leisure: it trusts both.",
		"Name the new certificate and key in tokens.ca_cert_file and tokens.ca_key_file, on every replica, and restart them shortly after each other: " +
			"a replica with one CA refuses at /verify what a replica with the other one has signed.",
		"Give the new certificate alone to every registry and restart it. From then on it refuses whatever is under the old CA.",
	}
}

func (r *rotation) ownCA() bool { return r.cfg.Tokens.CACertFile == "" && r.cfg.Tokens.CAKeyFile == "" }

// newCA makes the CA that is to follow.
func (r *rotation) newCA(ctx context.Context) (rotateReport, error) {
	if err := r.keys.NewCA(ctx, r.order); err != nil {
		return rotateReport{}, r.explainCA(err)
	}
	r.did(audit.KeyPrepared, auditedCA)
	if err := r.keys.Sync(ctx); err != nil {
		return rotateReport{}, err
	}
	steps := r.caSteps()[1:]
	return rotateReport{
		Done: "There is a new signing CA. It signs nothing yet: tokens are still signed under the old one.",
		Notes: []string{fmt.Sprintf("Replicas with a data_dir of their own need the new CA as well: copy %s to the same place on each of them now, "+
			"and run --retire-ca on each of them later.", absolute(r.keys.NextCAFile()))},
		Next: steps,
	}, nil
}

// retireCA puts the new CA in force.
func (r *rotation) retireCA(ctx context.Context) (rotateReport, error) {
	if err := r.keys.RetireCA(ctx, r.order); err != nil {
		return rotateReport{}, r.explainCA(err)
	}
	r.did(audit.KeyRotated, auditedCA)
	if err := r.keys.Sync(ctx); err != nil {
		return rotateReport{}, err
	}
	return rotateReport{
		Done: "New tokens are signed under the new CA, and the old one is forgotten.",
		Notes: []string{
			"A registry that was not restarted since --new-ca refuses them: give it the file below at once.",
			"What was cached under the old CA's secret is forgotten: servers that run go on with it until their next restart, so restart them one after the other.",
		},
		Next: r.caSteps()[3:],
	}, nil
}

// explainCA says how to replace a CA that is not ours to replace.
func (r *rotation) explainCA(err error) error {
	if !errors.Is(err, tokens.ErrOperatorCA) {
		return err
	}
	text := err.Error() + ", which only its owner can replace:"
	for i, step := range r.caSteps() {
		text += fmt.Sprintf("\n  %d. %s", i+1, step)
	}
	return errors.New(text)
}
