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
		if !t.Headers.Empty() {
			c.fault("tracing.headers", "is used only with a tracing.endpoint")
		}
		if t.CAFile != "" {
			c.fault("tracing.ca_file", "is used only with a tracing.endpoint")
		}
		return
	}
	u, err := tracing.ParseEndpoint(t.Endpoint)
	if err != nil {
		c.fault("tracing.endpoint", "%v", err)
		return
	}
	if t.CAFile != "" && u.Scheme != "https" {
		c.fault("tracing.ca_file", "is used only with an https:// URL")
	}
	if !t.Headers.Empty() && u.Scheme != "https" && !identity.Loopback(u.Hostname()) {
		c.fault("tracing.headers", "would be sent in the clear; tracing.endpoint must begin with https://")
	}
}
