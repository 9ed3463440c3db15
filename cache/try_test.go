package cache

import (
	"strings"
	"testing"
	"time"

	"drawbridge/identity"
)

// What is wrong with a Redis is said, and its password is not.
func TestTryKeepsThePassword(t *testing.T) {
	for url, want := range map[string]string{
		"redis://:hunter2@127.0.0.1:1":    "connection refused",
		"redis://:hunter2@@127.0.0.1:1/":  "cache.redis_url",
		"redis://:hunter2@127.0.0.1:1/ab": "cache.redis_url",
	} {
		err := Try(t.Context(), identity.NewSecret(url), "", 20*time.Second)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
