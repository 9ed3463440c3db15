package console

import (
	"net/http"

	"drawbridge/authz"
	"drawbridge/bridge/manage"
)

type connectorsPage struct {
	Connectors []manage.Connector
	Username   string
	Report     *manage.LoginReport
	Problem    *problem
}

// connectors lists the connectors and tries a username, without a password.
func (v *visit) connectors() error {
	list, err := v.Desk.ListConnectors(v.actor)
	if err != nil {
		return err
	}
	p := connectorsPage{Connectors: list, Username: v.query("username")}
	if p.Username == "" {
		return v.show(http.StatusOK, "connectors", "Connectors", p)
	}
	if p.Report, err = v.Desk.TestLogin(v.r.Context(), v.actor, p.Username); err != nil {
		v.logged(err)
		p.Problem = problemOf(err)
		p.Problem.headers(v.w)
		return v.show(p.Problem.Status, "connectors", "Connectors", p)
	}
	return v.show(http.StatusOK, "connectors", "Connectors", p)
}

type keysPage struct {
	Token   string
	Keys    []manage.Key
	MaySave bool
	Problem *problem
}

func (v *visit) keys() error {
	list, err := v.Desk.ListKeys(v.r.Context(), v.actor)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "keys", "Keys", keysPage{
		Token: v.session.FormToken, Keys: list, MaySave: v.actor.Capabilities.Has(authz.WritePolicy),
	})
}

// rotateKeys has every replica make a new leaf.
func (v *visit) rotateKeys() error {
	emergency := false
	switch v.field("do") {
	case "rotate":
	case "emergency":
		emergency = true
	default:
		return errNoButton()
	}
	if _, err := v.Desk.RotateKeys(v.r.Context(), v.actor, emergency, manage.Act{Reason: v.field("reason")}); err != nil {
		return err
	}
	return v.redirect("/console/keys?done=rotated")
}

// registries shows what to paste into each registry's own configuration.
func (v *visit) registries() error {
	list, err := v.Desk.ListRegistries(v.actor)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "registries", "Registries", list)
}
