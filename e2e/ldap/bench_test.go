package ldap_test

import (
	"testing"
	"time"

	"drawbridge/connectors"
	"drawbridge/connectors/ldap"
	"drawbridge/e2e/testbed"
)

// BenchmarkLogin measures one login over LDAPS after another and several at once:
// cached costs the directory one bind on a new connection, uncached two searches
// on a pooled one beside it.
func BenchmarkLogin(b *testing.B) {
	s := testbed.StartSlapd(b)
	cfg := settings(s)
	cfg.LDAP.URLs, cfg.LDAP.CAFile = []string{s.LDAPSURL()}, s.CAFile
	for name, deps := range map[string]ldap.Deps{
		"cached":   {Log: discard(), Lookups: newMapCache(), LookupTTL: time.Hour},
		"uncached": {Log: discard()},
	} {
		c, err := ldap.New(cfg, deps)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		one := func(b *testing.B) {
			if out := login(c, "alice", testbed.SeedPassword("alice")); out.Kind() != connectors.KindGranted {
				b.Error(out)
			}
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				one(b)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					one(b)
				}
			})
		})
	}
}
