package configs

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/identity"
)

func (c *check) cache(s Cache) {
	c.between("cache.lookup_ttl", s.LookupTTL, 0, time.Hour)
	c.between("cache.credential_ttl", s.CredTTL, 0, 5*time.Minute)
	if !s.RedisURL.Empty() {
		c.redisURL("cache.redis_url", s.RedisURL)
	}
	if s.RedisCAFile == "" {
		return
	}
	if scheme, _, _ := strings.Cut(s.RedisURL.Reveal(), "://"); !strings.EqualFold(scheme, "rediss") {
		c.fault("cache.redis_ca_file", "is used only with a rediss:// URL")
	}
	c.certificates("cache.redis_ca_file", s.RedisCAFile)
}

// redisURL reports a URL that is not redis[s]://[user:password@]host[:port][,host...][/db]
// with ?master_name= for Sentinel or ?cluster=true. The URL is a secret, and so
// is every part of it: an unescaped slash in a password cuts it anywhere.
func (c *check) redisURL(key string, secret identity.Secret) {
	scheme, rest, ok := strings.Cut(secret.Reveal(), "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "redis" && scheme != "rediss" {
		c.fault(key, "must begin with redis:// or rediss://")
		return
	}
	rest, query, _ := strings.Cut(rest, "?")
	if strings.Contains(rest+query, "#") || strings.Contains(query, "@") {
		c.fault(key, "has a # or an @ where none belongs; special characters of a password are percent-encoded")
		return
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	hosts, db, _ := strings.Cut(rest, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		if !isHostPort(host) {
			c.fault(key, "has a host that is not host:port; several are separated by commas, "+
				"and special characters of a password are percent-encoded")
			break
		}
	}
	number, err := strconv.ParseUint(db, 10, 15)
	if db != "" && err != nil {
		c.fault(key, "must end with the number of the database, such as /0")
	}
	if options, ok := c.redisOptions(key, query); ok {
		c.redisMode(key, options, strings.Contains(hosts, ","), number != 0)
	}
}

// redisMode reports what does not go together with one server, Sentinel or
// Cluster.
func (c *check) redisMode(key string, options url.Values, several, otherDB bool) {
	sentinel, cluster := options.Has("master_name"), isTrue(options.Get("cluster"))
	switch {
	case sentinel && cluster:
		c.fault(key, "has both master_name (Sentinel) and cluster; keep one")
	case cluster && otherDB:
		c.fault(key, "must end with the database /0, a Cluster has no other")
	case !sentinel && (options.Has("sentinel_username") || options.Has("sentinel_password")):
		c.fault(key, "has options for Sentinel but no master_name")
	case several && !sentinel && !cluster:
		c.fault(key, "has several hosts; add ?master_name=NAME for Sentinel or ?cluster=true")
	}
}

// redisOptions parses what stands after the question mark. The name of an unknown
// option may be a piece of a password, so it is not printed.
func (c *check) redisOptions(key, query string) (url.Values, bool) {
	options, err := url.ParseQuery(query)
	if err != nil {
		c.fault(key, "has options that cannot be parsed; special characters of a password are percent-encoded")
		return nil, false
	}
	known := []string{"cluster", "master_name", "sentinel_username", "sentinel_password"}
	for name, values := range options {
		if !slices.Contains(known, name) || len(values) != 1 || values[0] == "" {
			c.fault(key, "has an option that is unknown, empty or there twice; the options are %s", strings.Join(known, ", "))
			return nil, false
		}
	}
	if _, err := strconv.ParseBool(options.Get("cluster")); options.Has("cluster") && err != nil {
		c.fault(key, "the option cluster must be true or false")
		return nil, false
	}
	return options, true
}

func isTrue(text string) bool {
	value, err := strconv.ParseBool(text)
	return err == nil && value
}

// isHostPort reports whether the text is a host with or without a port.
func isHostPort(text string) bool {
	u, err := url.Parse("redis://" + text)
	return err == nil && u.Hostname() != "" && u.Host == text && validPort(u.Port())
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
