package main

import (
	"errors"
	"log/slog"
	"time"

	"drawbridge/cache"
	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/store/feed"
)

// localTTL is how long an answer of Redis is good without asking it again: long
// enough for a job that starts on many machines at once, short beside lookup_ttl.
const localTTL = 5 * time.Second

// caches are what a process may forget, and what it shares with others of it.
type caches struct {
	// people holds looked-up people and verified credentials.
	people cache.Cache
	// shared is Redis, sealed; nil where there is none.
	shared cache.Cache
	// redis is the server itself, for what it counts; nil where there is none.
	redis *cache.Redis
	// memory is the one in this process.
	memory *cache.Memory
	// failures counts wrong passwords in Redis; nil where there is none, or no limit.
	failures cache.Budget
	// secret is what the replicas seal with.
	secret  []byte
	closers []func() error
}

// openCaches opens the cache that the configuration names, sealed with the secret.
func openCaches(cfg *configs.Config, secret []byte, log *slog.Logger) (c caches, err error) {
	c.secret = secret
	backend, err := cache.Open(cfg.Cache.RedisURL, cfg.Cache.RedisCAFile, log)
	if err != nil {
		return caches{}, err
	}
	c.people, c.closers = backend, append(c.closers, backend.Close)
	if cfg.Cache.RedisURL.Empty() {
		c.memory, _ = backend.(*cache.Memory)
		return c, nil
	}
	// Others can read and write it.
	if c.shared, err = cache.Sealed(backend, c.secret, time.Now); err != nil {
		return caches{}, errors.Join(err, c.close())
	}
	c.redis, _ = backend.(*cache.Redis)
	if c.redis != nil && cfg.Limits.LoginFailuresPerMinute > 0 {
		c.failures = c.redis.Budget(cfg.Limits.LoginFailuresPerMinute, connectors.FailureWindow)
	}
	c.memory = cache.NewMemory(0, nil)
	c.people, c.closers = cache.Tiered(c.memory, c.shared, localTTL, cfg.Cache.CredTTL), append(c.closers, c.memory.Close)
	return c, nil
}

func (c caches) close() error {
	var err error
	for _, closeOne := range c.closers {
		err = errors.Join(err, closeOne())
	}
	return err
}

// relay returns the feed's relay. A SQLite store has none: it is down only where
// the process is, and several of them may share one Redis.
func (c caches) relay(cfg *configs.Config) *feed.Relay {
	if c.shared == nil || cfg.Store.URL.Empty() {
		return nil
	}
	return feed.NewRelay(c.shared)
}
