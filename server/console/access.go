package console

import (
	"net/http"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
)

// accessPage is the access explorer: one of three questions, all of it in the URL.
type accessPage struct {
	Kind       string // explain, who-can, what-can
	Who        string
	Groups     string // one a line; empty: ask the connector
	Registry   string
	Actions    string
	Repository string
	Registries []string
	Choices    []string

	Problem *problem
	Explain *authz.Explanation
	Holders []authz.Holder
	Access  *manage.Access
	Asked   bool
}

func (v *visit) access() error {
	p := &accessPage{
		Kind: v.query("ask"), Who: v.query("who"), Groups: v.r.URL.Query().Get("groups"), Registry: v.query("registry"),
		Actions: v.query("actions"), Repository: v.query("repository"), Registries: v.Desk.Registries,
		Choices: []string{"pull", "push", "delete", "*", "catalog"},
	}
	if p.Actions == "" {
		p.Actions = "pull"
	}
	var err error
	switch p.Kind {
	case "who-can":
		if p.Asked = p.Repository != "" || p.Actions == "catalog"; p.Asked {
			p.Holders, err = v.Desk.WhoCan(v.r.Context(), v.actor, p.question())
		}
	case "what-can":
		if p.Asked = p.Who != ""; p.Asked {
			var access manage.Access
			access, err = v.Desk.List(v.r.Context(), v.actor, p.Who, listed(p.Groups))
			p.Access = &access
		}
	default:
		p.Kind = "explain"
		if p.Asked = p.Who != "" && (p.Repository != "" || p.Actions == "catalog"); p.Asked {
			var e authz.Explanation
			e, err = v.Desk.Explain(v.r.Context(), v.actor, p.question())
			p.Explain = &e
		}
	}
	if err != nil {
		v.logged(err)
		p.Problem, p.Asked = problemOf(err), false
		p.Problem.headers(v.w)
		return v.show(p.Problem.Status, "access", "Access explorer", p)
	}
	return v.show(http.StatusOK, "access", "Access explorer", p)
}

func (p *accessPage) question() manage.Question {
	return manage.Question{Who: p.Who, Groups: listed(p.Groups), Registry: p.Registry, Actions: p.Actions, Repository: p.Repository}
}
