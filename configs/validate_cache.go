package configs

import (
	"net/url"
	"strings"
	"time"

	"drawbridge/cache"
)

func (c *check) cache(s Cache) {
	c.between("cache.lookup_ttl", s.LookupTTL, 0, time.Hour)
	c.between("cache.credential_ttl", s.CredTTL, 0, 5*time.Minute)
	if !s.RedisURL.Empty() {
		if _, err := cache.ParseRedisURL(s.RedisURL); err != nil {
			c.fault("cache.redis_url", "%v", err)
		}
	}
	if s.RedisCAFile == "" {
		return
	}
	if scheme, _, _ := strings.Cut(s.RedisURL.Reveal(), "://"); !strings.EqualFold(scheme, "rediss") {
		c.fault("cache.redis_ca_file", "is used only with a rediss:// URL")
	}
	c.certificates("cache.redis_ca_file", s.RedisCAFile)
}

func (c *check) store(s Store) {
	const key = "store.url"
	if s.URL.Empty() {
		return
	}
	// url.Parse quotes what it cannot parse, which may be the password.
	u, err := url.Parse(s.URL.Reveal())
	switch {
	case err != nil:
		c.fault(key, "cannot be parsed; special characters of a password are percent-encoded")
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		c.fault(key, "must begin with postgres:// or postgresql://, or be empty for SQLite in data_dir")
	case u.Host == "" && !u.Query().Has("host"):
		c.fault(key, "has no host")
	}
}
