package configs

import (
	"drawbridge/identity"
	"drawbridge/tracing"
)

func (c *check) tracing(t Tracing) {
	// Written so that NaN is refused too.
	if !(t.SampleRatio >= 0 && t.SampleRatio <= 1) {
		c.fault("tracing.sample_ratio", "must be a number of 0 to 1, such as 0.05 for every twentieth request")
	}
	c.certificates("tracing.ca_file", t.CAFile)
	if _, err := tracing.ParseHeaders(t.Headers); err != nil {
		c.fault("tracing.headers", "%v", err)
	}
	if t.Endpoint == "" {
		for key, set := range map[string]bool{"tracing.headers": !t.Headers.Empty(), "tracing.ca_file": t.CAFile != ""} {
			if set {
				c.fault(key, "is used only with a tracing.endpoint")
			}
		}
		return
	}
	u, err := tracing.ParseEndpoint(t.Endpoint)
	switch {
	case err != nil:
		c.fault("tracing.endpoint", "%v", err)
	case u.Scheme == "https":
	case t.CAFile != "":
		c.fault("tracing.ca_file", "is used only with an https:// URL")
	case !t.Headers.Empty() && !identity.Loopback(u.Hostname()):
		c.fault("tracing.headers", "would be sent in the clear; tracing.endpoint must begin with https://")
	}
}
