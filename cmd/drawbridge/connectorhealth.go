package main

import (
	"fmt"
	"strings"

	"drawbridge/bridge/manage"
	"drawbridge/connectors"
	"drawbridge/connectors/htpasswd"
	"drawbridge/connectors/ldap"
	"drawbridge/connectors/oidc"
)

// connectorHealth says how the backends do, as far as the connectors know without
// asking.
func (a *app) connectorHealth(name string) manage.Health {
	for _, link := range a.links {
		if link.Connector.Name() == name {
			return healthOf(link.Connector)
		}
	}
	return manage.Health{State: manage.HealthUnknown}
}

func healthOf(c connectors.Connector) manage.Health {
	switch c := c.(type) {
	case *htpasswd.Connector:
		return manage.Health{State: manage.Up}
	case *ldap.Connector:
		return hostsHealth(c.Stats().Hosts)
	case *oidc.Connector:
		switch s := c.Stats(); {
		case !s.MetadataLoaded:
			return manage.Health{State: manage.Down, Detail: "the provider's metadata were never read"}
		case s.MetadataFailing:
			return manage.Health{State: manage.Degraded, Detail: "the provider's metadata cannot be read now; the last good ones are used"}
		}
		return manage.Health{State: manage.Up}
	}
	return manage.Health{State: manage.HealthUnknown}
}

// hostsHealth is that of a directory with several hosts.
func hostsHealth(hosts []ldap.HostStats) manage.Health {
	var out []string
	for _, h := range hosts {
		if h.Breaker != ldap.BreakerClosed {
			out = append(out, h.Host)
		}
	}
	switch {
	case len(out) == 0:
		return manage.Health{State: manage.Up}
	case len(out) < len(hosts):
		return manage.Health{State: manage.Degraded, Detail: fmt.Sprintf("%d of %d hosts do not answer: %s", len(out), len(hosts), strings.Join(out, ", "))}
	}
	return manage.Health{State: manage.Down, Detail: "no host answers: " + strings.Join(out, ", ")}
}
