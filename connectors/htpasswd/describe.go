package htpasswd

import (
	"context"
	"fmt"

	"drawbridge/connectors"
)

var _ connectors.Describer = (*Connector)(nil)

// Describe is Lookup with the line of the password file.
func (c *Connector) Describe(_ context.Context, username string) (connectors.Outcome, connectors.Description) {
	t := c.data.Load()
	user, known := t.users[username]
	if !known {
		return connectors.NotMine(), connectors.Description{}
	}
	return connectors.Granted(t.identity(c.name, username)), connectors.Description{
		Entry: fmt.Sprintf("%s:%d", c.file, user.line), GroupsFrom: c.groupsFile,
	}
}
