package console

import (
	"net/http"

	"drawbridge/authz"
)

type guardrailsPage struct {
	ReadOnly   string
	MaySave    bool
	Guardrails []guardrailRow
}

type guardrailRow struct {
	Name, Reason                     string
	Deny                             []string
	Repositories, Except, Registries []string
	Line                             int
}

// guardrails lists them. They are changed in the policy's editor: one wrong word in
// one takes rights from everybody.
func (v *visit) guardrails() error {
	doc, err := v.Desk.Document(v.actor)
	if err != nil {
		return err
	}
	p := guardrailsPage{ReadOnly: v.Desk.ReadOnly(), MaySave: v.Desk.ReadOnly() == "" && v.actor.Capabilities.Has(authz.WritePolicy)}
	for i := range doc.Guardrails {
		g := &doc.Guardrails[i]
		row := guardrailRow{
			Name: g.Name, Reason: g.Reason, Deny: g.Deny.Names(), Repositories: patternNames(g.Repositories),
			Registries: g.Registries, Line: g.Line,
		}
		for _, except := range g.Except {
			row.Except = append(row.Except, except.String())
		}
		p.Guardrails = append(p.Guardrails, row)
	}
	return v.show(http.StatusOK, "guardrails", "Guardrails", p)
}
