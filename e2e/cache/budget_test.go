package cache_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/e2e/testbed"
)

// What is counted goes by itself, and is no more than one small key.
func TestBudgetExpires(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	b := open(t, server.URL(), "", patient, nil).Budget(2, time.Minute)
	for range 5 {
		for i := range 5 {
			if _, _, err := b.Take(t.Context(), "k", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := server.CLI("ZCARD", "drawbridge:k"); n != "2" {
		t.Errorf("%s members are kept", n)
	}
	if ttl, err := strconv.Atoi(server.CLI("PTTL", "drawbridge:k")); err != nil || ttl <= 0 || ttl > 60_000 {
		t.Errorf("the key stays for %d ms, %v", ttl, err)
	}
	short := open(t, server.URL(), "", patient, nil).Budget(2, 20*time.Millisecond)
	if _, _, err := short.Take(t.Context(), "short", "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is gone", func() bool { return server.CLI("EXISTS", "drawbridge:short") == "0" })
}

// A user with the rights of an older version counts nothing in Redis, which the
// caller is told, and Redis stays in use for what it does.
func TestBudgetWithoutTheRights(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{Password: "admin"})
	for name, rights := range map[string][]string{
		"no EVAL":          {"+get", "+set", "+del", "+exists"},
		"EVAL and no ZADD": {"+get", "+set", "+del", "+exists", "+eval", "+time", "+zcount", "+zscore"},
	} {
		t.Run(name, func(t *testing.T) {
			server.CLI(append([]string{"ACL", "SETUSER", user, "reset", "on", ">" + password, "~drawbridge:*"}, rights...)...)
			var log logBuffer
			url := strings.Replace(server.URL(), "redis://:admin@", asUser, 1)
			c := open(t, url, "", 0, slog.New(slog.NewTextHandler(&log, nil)))
			b := c.Budget(1, time.Minute)
			for i := range 20 {
				if _, _, err := b.Take(t.Context(), "k", fmt.Sprint(i)); err == nil {
					t.Fatal("without the rights it counted")
				}
			}
			logged(t, &log, "redis refuses commands", 1)
			logged(t, &log, "redis is down", 0)
			if !c.Healthy() {
				t.Error("one missing right takes Redis out of use")
			}
		})
	}
}

func TestBudgetOutOfMemory(t *testing.T) {
	server := testbed.StartRedis(t, testbed.RedisOptions{})
	var log logBuffer
	c := open(t, server.URL(), "", 0, slog.New(slog.NewTextHandler(&log, nil)))
	b := c.Budget(1, time.Minute)
	eventually(t, "it counts", func() bool { _, _, err := b.Take(t.Context(), "k", "a"); return err == nil })
	server.CLI("CONFIG", "SET", "maxmemory", "1")
	for i := range 20 {
		if _, _, err := b.Take(t.Context(), "other", fmt.Sprint(i)); err == nil {
			t.Fatal("a full Redis counted")
		}
	}
	logged(t, &log, "redis refuses commands", 1)
	logged(t, &log, "redis is down", 0)
}

// Behind Sentinel the count goes on after a failover, on the new master.
func TestBudgetAfterAFailover(t *testing.T) {
	group := testbed.StartRedisSentinel(t)
	b := open(t, group.URL(), "", 0, nil).Budget(2, time.Minute)
	takes := func(member string) func() bool {
		return func() bool {
			_, wait, err := b.Take(t.Context(), "k", member)
			return err == nil && wait == 0
		}
	}
	eventually(t, "it counts", takes("a"))
	replica := group.Servers[0]
	if replica == group.Master() {
		replica = group.Servers[1]
	}
	eventually(t, "the replica has it", func() bool { return replica.CLI("ZCARD", "drawbridge:k") == "1" })
	group.Master().Kill()
	eventually(t, "the new master counts", takes("b"))
	if _, wait, err := b.Take(t.Context(), "k", "c"); err != nil || wait == 0 {
		t.Errorf("what was counted before the failover is forgotten: wait %s, %v", wait, err)
	}
}

// With a master of a cluster gone, keys of the others are counted as soon as the
// cluster serves them, and a key of the lost one fails without a wait.
func TestBudgetOnAClusterThatLosesAMaster(t *testing.T) {
	cluster := testbed.StartRedisCluster(t)
	for _, node := range cluster.Nodes {
		node.CLI("CONFIG", "SET", "cluster-require-full-coverage", "no")
	}
	c := open(t, cluster.URL(), "", 0, nil)
	b := c.Budget(1, time.Minute)
	take := func(key string) error {
		_, _, err := b.Take(t.Context(), key, "a")
		return err
	}
	keys := map[*testbed.Redis]string{}
	for i := 0; len(keys) < len(cluster.Nodes); i++ {
		key := fmt.Sprint("k", i)
		eventually(t, "it counts", func() bool { return take(key) == nil })
		for _, node := range cluster.Nodes {
			if out := node.CLI("ZCARD", "drawbridge:"+key); out == "1" {
				keys[node] = key
			}
		}
	}
	lost := cluster.Nodes[1]
	lost.Kill()
	for _, node := range []*testbed.Redis{cluster.Nodes[0], cluster.Nodes[2]} {
		eventually(t, "the cluster has noticed", func() bool {
			return strings.Contains(node.CLI("cluster", "nodes"), "fail")
		})
		eventually(t, "the others go on counting", func() bool { return take(keys[node]) == nil })
	}
	if err := take(keys[lost]); err == nil {
		t.Error("a node that is dead counted")
	}
	lost.Restart()
	eventually(t, "all count again", func() bool {
		for _, key := range keys {
			if take(key) != nil {
				return false
			}
		}
		return true
	})
}
