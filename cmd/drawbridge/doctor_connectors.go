package main

import (
	"context"
	"strings"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/connectors/oidc"
	"drawbridge/doctor"
	"drawbridge/identity"
)

// nobody is a username that no backend knows.
const nobody = "drawbridge-doctor-nobody"

// examine looks whether one connector could log somebody in.
func (d *doctorCommand) examine(ctx context.Context, cfg configs.Connector) (trouble *doctor.Trouble, detail string) {
	backend, err := d.app().openBackend(cfg, nil)
	if err != nil {
		return &doctor.Trouble{ID: doctor.ConnectorSettings, Err: err, Fix: []string{"Correct the entry of this connector: drawbridge config check"}}, ""
	}
	switch c := backend.(type) {
	case *ldap.Connector:
		return examineLDAP(ctx, c, cfg)
	case *oidc.Connector:
		// Providers tell a wrong client from a wrong person.
		return examined(c.Authenticate(ctx, identity.Credential{Username: nobody, Password: identity.NewSecret(nobody)}))
	case connectors.Looker:
		return examined(c.Lookup(ctx, nobody))
	}
	return nil, "can be started; it tells nothing without a password"
}

func examineLDAP(ctx context.Context, c *ldap.Connector, cfg configs.Connector) (trouble *doctor.Trouble, detail string) {
	fault, err := c.Diagnose(ctx, nobody)
	switch fault {
	case ldap.NoFault:
		return nil, "reached, the service account may log in, people and groups can be searched"
	case ldap.BindRefused:
		return &doctor.Trouble{ID: doctor.ConnectorRefused, Err: err, Fix: []string{
			"Try the account: ldapwhoami -x -H " + strings.Join(cfg.LDAP.URLs, " ") + " -D \"" + cfg.LDAP.BindDN + "\" -W",
			"Correct bind_dn, or put the account's password into bind_password_file.",
		}}, ""
	case ldap.PeopleAbsent:
		return &doctor.Trouble{ID: doctor.ConnectorSettings, Err: err, Fix: []string{
			"Correct user.base_dn (it is \"" + cfg.LDAP.User.BaseDN + "\"), or let the service account read below it.",
		}}, ""
	case ldap.GroupsAbsent:
		return &doctor.Trouble{ID: doctor.ConnectorSettings, Err: err, Fix: []string{
			"Correct groups.base_dn (it is \"" + cfg.LDAP.Groups.BaseDN + "\"), or let the service account read below it.",
		}}, ""
	case ldap.Unreached:
	}
	return &doctor.Trouble{ID: doctor.ConnectorDown, Err: err, Fix: []string{
		"Try it: ldapsearch -x -H " + strings.Join(cfg.LDAP.URLs, " ") + " -s base -b \"\"",
		"A certificate that is not trusted: ca_file names the directory's authority.",
	}}, ""
}

// examined is for backends that answered about nobody: any answer about a person will
// do.
func examined(outcome connectors.Outcome) (trouble *doctor.Trouble, detail string) {
	switch outcome.Kind() {
	case connectors.KindUnavailable:
		return &doctor.Trouble{ID: doctor.ConnectorDown, Err: outcome.Cause(), Fix: []string{
			"Is it up, and does this machine reach it? A certificate that is not trusted: issuer_ca_file names its authority.",
		}}, ""
	case connectors.KindMisconfigured:
		id, fix := doctor.ConnectorSettings, "Correct the entry of this connector; docs/connectors.md has the page of each type."
		if text := outcome.Cause().Error(); strings.Contains(text, "invalid_client") || strings.Contains(text, "unauthorized_client") {
			id, fix = doctor.ConnectorRefused, "Correct client_id, or put the client's secret into client_secret_file; the provider must let the client use the password grant."
		}
		return &doctor.Trouble{ID: id, Err: outcome.Cause(), Fix: []string{fix}}, ""
	case connectors.KindGranted, connectors.KindNotMine, connectors.KindDenied:
	}
	return nil, "answers"
}
