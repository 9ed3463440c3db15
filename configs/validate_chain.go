package configs

import "drawbridge/identity"

// chain checks the order of the connectors. Each rule keeps an outage or an
// unlucky order from choosing a weaker connector for the same username.
func (c *check) chain(list []Connector) {
	for i, conn := range list {
		at := index("connectors", i)
		next := list[i+1:]
		if conn.OnUnavailable == OnUnavailableNext {
			c.fallThrough(at, conn, next)
		}
		if conn.Type == TypeOIDC && len(next) > 0 && route(conn).Any() && !isBreakGlass(list, i+1) {
			c.fault(at, "an oidc connector cannot tell an unknown user from a wrong password, so nobody reaches %s after it; "+
				"put it last, or give it a match: of its own", next[0].Name)
		}
		if conn.Type == TypeHTPasswd && hasNetwork(list[:i]) && !isBreakGlass(list, i) {
			c.fault(at, "an htpasswd connector comes before the network ones, which may be down or slow; "+
				"as the fallback for an outage it is last, after a connector with on_unavailable: next")
		}
	}
}

// fallThrough checks that knocking a backend over lets nobody in who would
// otherwise be refused: no later connector may know the same usernames, unless
// it is the htpasswd file that is meant for this.
func (c *check) fallThrough(at string, conn Connector, next []Connector) {
	key := join(at, "on_unavailable")
	if len(next) == 0 {
		c.fault(key, "there is no next connector")
		return
	}
	if next[0].Type == TypeHTPasswd {
		return
	}
	for _, later := range next {
		if !route(conn).Disjoint(route(later)) {
			c.fault(key, "next is refused: whoever makes %s unreachable would choose %s for the same usernames; "+
				"give both a match: that no username fits twice, or let an htpasswd connector follow", conn.Name, later.Name)
			return
		}
	}
}

// isBreakGlass reports whether entry i is the htpasswd fallback for an outage: the
// last one, directly after a connector with on_unavailable: next.
func isBreakGlass(list []Connector, i int) bool {
	return i > 0 && i == len(list)-1 && list[i].Type == TypeHTPasswd && list[i-1].OnUnavailable == OnUnavailableNext
}

func hasNetwork(list []Connector) bool {
	for _, conn := range list {
		// A program is taken for one that asks over the network.
		if conn.Type == TypeLDAP || conn.Type == TypeOIDC || conn.Type == TypeExec {
			return true
		}
	}
	return false
}

// route returns the usernames a connector wants. A faulty pattern has been
// reported and counts as all of them.
func route(conn Connector) identity.UsernamePattern {
	p, err := identity.ParseUsernamePattern(conn.Match)
	if err != nil {
		return identity.UsernamePattern{}
	}
	return p
}

// HomeConnector returns the name of the connector whose people have bare names
// where a policy writes ${user}: corp/alice is alice there if corp is at home, and
// everybody else is <connector>--<name>, so that two people never share a
// namespace. It is the first connector that is no htpasswd file, since that is
// where the company's people are, or else the first one. Empty without connectors.
func HomeConnector(cfg *Config) string {
	for _, conn := range cfg.Connectors {
		if conn.Type != TypeHTPasswd {
			return conn.Name
		}
	}
	if len(cfg.Connectors) > 0 {
		return cfg.Connectors[0].Name
	}
	return ""
}
