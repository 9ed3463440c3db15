package feed_test

import (
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

func redisSection(t *testing.T) string {
	return "  redis_url: \"" + testbed.StartRedis(t, testbed.RedisOptions{}).URL() + "\"\n"
}

func postgresSection(t *testing.T) string {
	return "store: { url: \"" + testbed.StartPostgres(t).NewDatabase() + "\" }\n"
}

// Somebody leaves, gets another password, loses a group, or is let in again: every
// server goes on as before for minutes, and as the directory says within a second of
// `user forget`, whichever cache it has and whatever name was typed.
func TestForgetOnEveryServer(t *testing.T) {
	t.Parallel()
	for name, sections := range map[string]func(t *testing.T) string{
		"SQLite, caches in process":     func(*testing.T) string { return "" },
		"SQLite, Redis":                 redisSection,
		"PostgreSQL, caches in process": postgresSection,
		"PostgreSQL, Redis":             func(t *testing.T) string { return redisSection(t) + postgresSection(t) },
	} {
		t.Run(name, func(t *testing.T) {
			directory := testbed.StartSlapd(t)
			testForget(t, serve(t, 2, sections(t), people(directory)), directory)
		})
	}
}

func testForget(t *testing.T, r *replicas, directory *testbed.Slapd) {
	pw := testbed.SeedPassword
	before := func(what string) {
		t.Helper()
		r.want(what, "alice", pw("alice"), ok, pushed)
		r.want(what, "ALICE", pw("alice"), ok, pushed)
		r.want(what, "bob", pw("bob"), ok, pushed)
		r.want(what, "jürgen", pw("jürgen"), ok, pushed)
		r.want(what, "carol", pw("carol"), ok, "")
	}
	before("before")
	directory.Modify(directory.PersonDN("alice"), "pwdAccountLockedTime", "000001010000Z") // until somebody unlocks her
	directory.Modify(directory.PersonDN("bob"), "userPassword", "new")
	directory.Modify(directory.GroupDN("payments-dev"), "member", directory.PersonDN("alice"), directory.PersonDN("bob"))
	before("nobody has said forget")

	r.forget("corp/alice")
	r.forget("bob")
	r.forget("CORP/jürgen")
	said := time.Now()
	r.await("all is as the directory says", func() bool {
		return r.is("alice", pw("alice"), refused, "") && r.is("ALICE", pw("alice"), refused, "") &&
			r.is("bob", pw("bob"), refused, "") && r.is("bob", "new", ok, pushed) && r.is("jürgen", pw("jürgen"), ok, "")
	})
	t.Logf("after %s", time.Since(said).Round(time.Millisecond))

	// She is let in again, and the refusal that is remembered goes as well.
	directory.Modify(directory.PersonDN("alice"), "pwdAccountLockedTime")
	r.want("unlocked, and nobody has said forget", "alice", pw("alice"), refused, "")
	r.forget("corp/alice")
	r.await("alice is let in again", func() bool { return r.is("alice", pw("alice"), ok, pushed) })

	// Others lose nothing: they are known without the directory, and alice is not.
	directory.Stop()
	r.forget("alice")
	r.await("alice is forgotten", func() bool { return r.is("alice", pw("alice"), later, "") })
	r.want("the directory is down", "carol", pw("carol"), ok, "")
	r.want("the directory is down", "bob", "new", ok, pushed)
	directory.Start()
	r.await("alice is back", func() bool { return r.is("alice", pw("alice"), ok, pushed) })
}
