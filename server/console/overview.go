package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"
)

// overviewPage says how it is going.
type overviewPage struct {
	Revision   string
	SavedBy    revisions.Revision
	ReadOnly   string
	Bindings   int
	Guardrails int
	Tests      int
	Parts      []part
	Attention  []notice
	// Chart is nil where nothing is counted; NoChart says why.
	Chart   *chart
	NoChart string
}

// notice is a sentence about something that somebody should look at, and where.
type notice struct{ Text, Path string }

// glance is how long the overview waits for the store.
const glance = 3 * time.Second

// overview is the first page. Somebody without a role reads that they have none, a
// namespace owner is sent to what they look after.
func (v *visit) overview() error {
	switch {
	case v.actor.Capabilities.Has(authz.ReadAudit):
	case v.actor.Capabilities.Has(authz.OwnNamespace):
		return v.redirect("/console/bindings")
	default:
		return v.noRole()
	}
	doc, err := v.Desk.Document(v.actor)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), glance)
	defer cancel()
	measured := v.measure()
	p := overviewPage{
		Revision: v.Desk.InForce().ID, ReadOnly: v.Desk.ReadOnly(), Parts: v.parts(measured),
		Bindings: len(doc.Bindings), Guardrails: len(doc.Guardrails), Tests: len(doc.Tests), Attention: warnings(measured, v.Clock()),
	}
	if p.ReadOnly == "" {
		p.SavedBy, err = v.Desk.Policy(ctx, v.actor)
		if err != nil {
			v.logged(err)
		}
	}
	for _, part := range p.Parts {
		if s := part.Health.State; s == manage.Down || s == manage.Degraded {
			p.Attention = append(p.Attention, notice{Text: part.Name + " is " + string(s) + ": " + part.Health.Detail + "."})
		}
	}
	if hours, err := v.Desk.Activity(ctx, v.actor); err == nil {
		p.Chart = newChart(hours)
	} else {
		p.NoChart = problemOf(err).Message
	}
	p.Attention = append(p.Attention, v.untidy(ctx, doc)...)
	return v.show(http.StatusOK, "overview", "Overview", p)
}

// untidy says what is with bindings and groups.
func (v *visit) untidy(ctx context.Context, doc *authz.Document) []notice {
	var list []notice
	now := v.Clock()
	for i := range doc.Bindings {
		b := &doc.Bindings[i]
		at := "/console/bindings?q=" + b.Name
		switch left := b.Expires.Sub(now); {
		case b.Expires.IsZero() || left >= soon:
		case left <= 0:
			list = append(list, notice{"The binding " + b.Name + " expired on " + when(b.Expires) + " and grants nothing.", at})
		default:
			list = append(list, notice{"The binding " + b.Name + " expires on " + when(b.Expires) + ".", at})
		}
	}
	tidy, err := v.hygiene(ctx)
	if err != nil {
		return list
	}
	if n := len(tidy.UnknownGroups); n > 0 && now.Sub(tidy.Since) > strangeAfter {
		names := make([]string, 0, fewGroups)
		for _, g := range tidy.UnknownGroups[:min(n, fewGroups)] {
			names = append(names, g.Group)
		}
		text := fmt.Sprintf("Nobody who logged in since %s had %s: misspelt?", when(tidy.Since), strings.Join(names, ", "))
		if n > fewGroups {
			text = strings.TrimSuffix(text, ": misspelt?") + fmt.Sprintf(" and %d more: misspelt?", n-fewGroups)
		}
		list = append(list, notice{text, "/console/people"})
	}
	unused := 0
	for _, b := range tidy.Bindings {
		if b.Unused {
			unused++
		}
	}
	if unused > 0 && now.Sub(tidy.Since) > unusedAfter {
		list = append(list, notice{fmt.Sprintf("%d of %d bindings were not used since %s.", unused, len(tidy.Bindings), when(tidy.Since)), "/console/bindings"})
	}
	return list
}

// How long the audit log has to reach back before that nobody had a group, or used a
// binding, tells anything; and how many groups a sentence names.
const (
	strangeAfter = 7 * 24 * time.Hour
	unusedAfter  = 30 * 24 * time.Hour
	fewGroups    = 3
)
