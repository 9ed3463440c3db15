package ldap

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strconv"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// Generation returns a hash of the settings that decide who a username is and
// which groups follow. It is part of every cache key, so that a changed filter is
// in force at once and not when the old answers have expired.
func Generation(cfg configs.Connector) string {
	h := sha256.New()
	l := cfg.LDAP
	writeStrings(h, "v1", cfg.Name, strconv.Itoa(len(l.URLs)))
	writeStrings(h, l.URLs...)
	writeStrings(h, strconv.FormatBool(l.StartTLS), l.BindDN,
		l.User.BaseDN, l.User.Filter, l.User.NameAttr, l.User.MailAttr,
		l.Groups.Mode, l.Groups.BaseDN, l.Groups.Filter, l.Groups.NameAttr, strconv.FormatBool(l.Groups.Nested))
	return hex.EncodeToString(h.Sum(nil))
}

// writeStrings hashes each string after its length, so that no two lists give
// the same bytes.
func writeStrings(h hash.Hash, list ...string) {
	var length [8]byte
	for _, s := range list {
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
}

// lookupKey is the cache key of a username as typed. It is a hash, so that a
// cache that others can read lists no usernames.
func (c *Connector) lookupKey(username string) string {
	h := sha256.New()
	writeStrings(h, c.name, c.generation, username)
	return "ldap:person:" + hex.EncodeToString(h.Sum(nil))
}

// cached returns the person an earlier lookup found. A cache that fails or that
// holds something else is a miss.
func (c *Connector) cached(ctx context.Context, username string) *person {
	if c.lookups == nil {
		return nil
	}
	value, ok, err := c.lookups.Get(ctx, c.lookupKey(username))
	if err != nil {
		c.log.DebugContext(ctx, "the lookup cache does not answer", "error", err)
		return nil
	}
	if !ok {
		return nil
	}
	var p person
	if err := json.Unmarshal(value, &p); err != nil || p.DN == "" || p.Name == "" {
		c.log.DebugContext(ctx, "the lookup cache holds something else", "error", err)
		return nil
	}
	if epoch, _ := c.forgets.Of(p.identity(c.name, identity.MethodNone), username, 0); epoch != p.Epoch || !c.forgets.Known() {
		return nil
	}
	return &p
}

// lookup finds the person in the directory and remembers the answer. A person
// who is not found, or not found out, is forgotten; that somebody does not exist
// is never remembered, nor is somebody whose account may not log in now: when that
// is over, the next login counts.
func (c *Connector) lookup(ctx context.Context, username string) (*person, error) {
	since := c.forgets.Moment()
	p, err := c.find(ctx, c.userFilter.expand(username, ""))
	if c.lookups != nil && (err == nil || final(err)) {
		if cacheErr := c.keep(ctx, username, p, since); cacheErr != nil {
			c.log.DebugContext(ctx, "the lookup cache does not store", "error", cacheErr)
		}
	}
	return p, err
}

// keep remembers the person who was found under the username, and forgets who was
// not, may not log in, or was forgotten since the moment of the question.
func (c *Connector) keep(ctx context.Context, username string, p *person, since connectors.Moment) error {
	key := c.lookupKey(username)
	if p == nil || p.state != "" {
		return c.lookups.Delete(ctx, key)
	}
	cached := *p
	var current bool
	if cached.Epoch, current = c.forgets.Of(p.identity(c.name, identity.MethodNone), username, since); !current {
		return c.lookups.Delete(ctx, key)
	}
	value, err := json.Marshal(cached)
	if err != nil {
		return err
	}
	return c.lookups.Set(ctx, key, value, c.lookupTTL)
}
