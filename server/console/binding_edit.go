package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/authz"
	"drawbridge/authz/revisions"
	"drawbridge/bridge/manage"
	"drawbridge/identity"
)

// bindingForm is a binding as it is typed.
type bindingForm struct {
	Token string
	// New says that there is no such binding yet.
	New  bool
	Base int64
	Name, Role, Subjects, Repositories,
	Expires, Reason, Because string
	Chosen     []string // registries
	Roles      []authz.Role
	Registries []registryChoice
	Namespaces []string
	Problem    *problem
	Faults     []fault
	Plan       *planView
}

type registryChoice struct {
	Service string
	Chosen  bool
}

// dayTime is how browsers write a datetime-local.
const dayTime = "2006-01-02T15:04"

func (v *visit) newBindingForm() (*bindingForm, []authz.Binding, error) {
	if file := v.Desk.ReadOnly(); file != "" {
		return nil, nil, &identity.Error{Kind: identity.Conflict, Message: "The policy is read-only here: policy.file names " + file + "."}
	}
	namespaces := v.Desk.Namespaces(v.actor)
	if !v.actor.Capabilities.Has(authz.WritePolicy) && len(namespaces) == 0 {
		return nil, nil, &identity.Error{
			Kind: identity.Forbidden, Message: "You may read bindings and not change them: that takes the role policy-admin or namespace-owner.",
		}
	}
	list, err := v.Desk.Bindings(v.actor)
	f := &bindingForm{Token: v.session.FormToken, Roles: v.roles()}
	f.Base, _ = revisions.ParseID(v.Desk.InForce().ID) // 0 before the first one
	if !v.actor.Capabilities.Has(authz.WritePolicy) {
		f.Namespaces = patternNames(namespaces)
	}
	return f, list, err
}

// roles are the roles that the caller can give.
func (v *visit) roles() []authz.Role {
	all := append(authz.BuiltinRoles(), v.Desk.InForce().Policy.Document().Roles...)
	if v.actor.Capabilities.Has(authz.WritePolicy) {
		return all
	}
	return slices.DeleteFunc(all, func(r authz.Role) bool { return r.Capabilities != 0 || r.Actions.Has(authz.Catalog) })
}

func (v *visit) editBinding() error {
	f, list, err := v.newBindingForm()
	if err != nil {
		return err
	}
	f.Name, f.New = v.query("name"), v.query("name") == ""
	if !f.New {
		at := slices.IndexFunc(list, func(b authz.Binding) bool { return b.Name == f.Name })
		if at < 0 {
			return &identity.Error{Kind: identity.NotFound, Message: "There is no such binding, or it is not yours to change."}
		}
		f.fill(list[at].Spec())
	}
	return v.showBinding(http.StatusOK, f)
}

func (f *bindingForm) fill(b authz.BindingSpec) {
	f.Role, f.Reason, f.Chosen = b.Role, b.Reason, b.Registries
	f.Subjects, f.Repositories = strings.Join(b.Subjects, "\n"), strings.Join(b.Repositories, "\n")
	if !b.Expires.IsZero() {
		f.Expires = b.Expires.UTC().Format(dayTime)
	}
}

// recall fills the form with the binding as it is.
func (f *bindingForm) recall(list []authz.Binding) {
	if at := slices.IndexFunc(list, func(b authz.Binding) bool { return b.Name == f.Name }); at >= 0 {
		f.fill(list[at].Spec())
	}
}

func (v *visit) showBinding(status int, f *bindingForm) error {
	for _, service := range v.Desk.Registries {
		f.Registries = append(f.Registries, registryChoice{service, slices.Contains(f.Chosen, service)})
	}
	title := "Binding " + f.Name
	if f.New {
		title = "New binding"
	}
	return v.show(status, "binding", title, f)
}

// changeBinding plans, saves or removes a binding.
func (v *visit) changeBinding() error {
	f, list, err := v.newBindingForm()
	if err != nil {
		return err
	}
	change, err := v.readBinding(f)
	if change.Remove { // that form has the name alone
		f.recall(list)
	}
	if err == nil && f.New && !change.Remove && slices.ContainsFunc(list, func(b authz.Binding) bool { return b.Name == f.Name }) {
		err = &identity.Error{Kind: identity.Conflict, Message: "There is a binding of this name already. Choose another name, or edit that one."}
	}
	if err != nil {
		return v.refusedBinding(f, err)
	}
	if strings.HasPrefix(v.field("do"), "plan") {
		plan, err := v.Desk.PlanBinding(v.r.Context(), v.actor, change)
		if err != nil {
			return v.refusedBinding(f, err)
		}
		f.Plan = viewOf(plan, "") // the lines are those of a document that is not shown
		return v.showBinding(http.StatusOK, f)
	}
	saved, err := v.Desk.SaveBinding(v.r.Context(), v.actor, change)
	switch {
	case unchanged(err):
		return v.redirect("/console/bindings?done=unchanged")
	case err != nil:
		return v.refusedBinding(f, err)
	case change.Remove:
		return v.saved(saved, "/console/bindings?done=removed")
	}
	return v.saved(saved, "/console/bindings?done=saved&q="+url.QueryEscape(f.Name))
}

// readBinding reads the form into f and into a change.
func (v *visit) readBinding(f *bindingForm) (manage.BindingChange, error) {
	f.Name, f.New, f.Role = v.field("name"), v.field("new") == "yes", v.field("role")
	f.Subjects, f.Repositories, f.Chosen = v.text("subjects"), v.text("repositories"), v.r.PostForm["registries"]
	f.Expires, f.Reason, f.Because = v.field("expires"), v.field("reason"), v.field("because")
	change := manage.BindingChange{Reason: f.Because, Remove: strings.HasSuffix(v.field("do"), "remove")}
	change.Base, _ = strconv.ParseInt(v.field("base"), 10, 64) // what is no number is stale
	change.Binding = authz.BindingSpec{
		Name: f.Name, Role: f.Role, Subjects: listed(f.Subjects), Repositories: listed(f.Repositories), Registries: f.Chosen, Reason: f.Reason,
	}
	if f.Name == "" {
		return change, &identity.Error{Kind: identity.Invalid, Message: "A binding has a name."}
	}
	if f.Expires != "" {
		expires, err := time.Parse(dayTime, f.Expires)
		if err != nil {
			return change, &identity.Error{Kind: identity.Invalid, Message: "The end is a day and a time in UTC, such as 2027-01-31T18:00."}
		}
		change.Binding.Expires = expires
	}
	return change, nil
}

func (v *visit) refusedBinding(f *bindingForm, err error) error {
	v.logged(err)
	f.Problem = problemOf(err)
	f.Problem.headers(v.w)
	f.Faults = faultsIn(f.Problem.Faults, "")
	return v.showBinding(f.Problem.Status, f)
}
