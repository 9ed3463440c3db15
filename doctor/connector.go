package doctor

import (
	"context"
	"fmt"
	"strings"
)

// Connector is a place where people are known.
type Connector struct {
	Name string
	// Ask does what a login does, without a person. what is nil where all is well.
	Ask func(context.Context) (what *Trouble, detail string)
}

// Trouble is what a connector's backend does not do.
type Trouble struct {
	ID  ID // ConnectorDown, ConnectorRefused or ConnectorSettings
	Err error
	Fix []string
}

func (c Connector) check(ctx context.Context) Outcome {
	trouble, detail := c.Ask(ctx)
	if trouble == nil {
		return okay("%s", detail)
	}
	return found("", finding(trouble.ID, trouble.Err.Error()+".", trouble.Fix...))
}

// Person is somebody who cannot log in, or do what they want.
type Person struct {
	Name string
	// Ask looks them up, without their password.
	Ask func(context.Context) (Standing, error)
}

// Standing is what is known of a person.
type Standing struct {
	// Known is false with Why where no connector vouches for the name. Sure is false
	// where a backend could not be asked, or tells nothing without a password.
	Known, Sure bool
	Why         string
	Subject     string
	Groups      []string
	// Rights are what bindings give, in words.
	Rights []string
}

func (p *Person) check(ctx context.Context) Outcome {
	s, err := p.Ask(ctx)
	switch {
	case err != nil:
		return unsure("%v", err)
	case !s.Sure:
		return unsure("%s", s.Why)
	case !s.Known:
		return found("", finding(PersonUnknown, fmt.Sprintf("%s: %s.", p.Name, s.Why),
			"drawbridge login-test "+p.Name+" says what each connector answers.",
			"Compare the username with the connector's match, user.filter and user.base_dn."))
	case len(s.Rights) == 0:
		return found("", finding(PersonNoRights, fmt.Sprintf("%s is known, with the groups [%s], and no binding in force names any of these.", s.Subject, strings.Join(s.Groups, ", ")),
			"drawbridge access explain "+s.Subject+" pull REPOSITORY shows the bindings that come near.",
			"Add a binding for the person or for one of the groups: drawbridge policy apply FILE"))
	}
	return okay("%s, in %d groups: %s", s.Subject, len(s.Groups), strings.Join(s.Rights, "; "))
}
