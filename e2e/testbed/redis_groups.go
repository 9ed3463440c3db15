package testbed

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisSentinel is a master, a replica and one sentinel that watches them and
// makes the replica the master when the master is gone for half a second. The
// servers and the sentinel ask for passwords, each another one.
type RedisSentinel struct {
	// Servers are the first master and the first replica.
	Servers [2]*Redis

	sentinel *Redis
}

const (
	sentinelMaster   = "mymaster"
	sentinelPassword = "sentinel-secret"
	groupPassword    = "group-secret"
)

// StartRedisSentinel starts the three and waits until the sentinel knows the
// replica.
func StartRedisSentinel(t testing.TB) *RedisSentinel {
	t.Helper()
	master := StartRedis(t, RedisOptions{Password: groupPassword})
	replica := StartRedis(t, RedisOptions{
		Password: groupPassword, Args: []string{"--replicaof", loopback, strconv.Itoa(master.port)},
	})
	s := &RedisSentinel{Servers: [2]*Redis{master, replica}, sentinel: startSentinel(t, master)}
	eventually(t, "the sentinel knows the replica", func() bool {
		info, err := s.sentinel.cli("sentinel", "replicas", sentinelMaster)
		return err == nil && strings.Contains(info, replica.Addr) && strings.Contains(info, "master-link-status\nok")
	})
	return s
}

// startSentinel runs redis-server as a sentinel. It rewrites its configuration
// file, so that it needs one.
func startSentinel(t testing.TB, master *Redis) *Redis {
	t.Helper()
	s := &Redis{t: t, dir: t.TempDir(), port: freePort(t), opts: RedisOptions{Password: sentinelPassword}}
	s.Addr = net.JoinHostPort(loopback, strconv.Itoa(s.port))
	config := fmt.Sprintf(`bind %[1]s
port %[2]d
requirepass %[3]s
sentinel monitor %[4]s %[1]s %[5]d 1
sentinel auth-pass %[4]s %[6]s
sentinel down-after-milliseconds %[4]s 500
sentinel failover-timeout %[4]s 3000
`, loopback, s.port, sentinelPassword, sentinelMaster, master.port, groupPassword)
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), redisProgram(t, "redis-server"), file, "--sentinel") // #nosec G204 -- our file
	s.run = startProcess(t, cmd)
	if err := s.run.await("the sentinel answers", func() bool {
		pong, err := s.cli("ping")
		return err == nil && pong == "PONG"
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// URL is the group's address as cache.redis_url has it.
func (s *RedisSentinel) URL() string {
	query := url.Values{"master_name": {sentinelMaster}, "sentinel_password": {sentinelPassword}}
	u := url.URL{
		Scheme: "redis", User: url.UserPassword("", groupPassword),
		Host: s.sentinel.Addr, Path: "/0", RawQuery: query.Encode(),
	}
	return u.String()
}

// Master returns the server that the sentinel says is the master now.
func (s *RedisSentinel) Master() *Redis {
	s.sentinel.t.Helper()
	addr := strings.Fields(s.sentinel.CLI("sentinel", "get-master-addr-by-name", sentinelMaster))
	for _, server := range s.Servers {
		if len(addr) == 2 && server.Addr == net.JoinHostPort(addr[0], addr[1]) {
			return server
		}
	}
	s.sentinel.t.Fatalf("the sentinel names an unknown master: %q", addr)
	return nil
}

// RedisCluster is a Redis Cluster of three masters without replicas, which
// counts a node that does not answer for a second as failed.
type RedisCluster struct {
	Nodes [3]*Redis
}

// StartRedisCluster starts the nodes and joins them.
func StartRedisCluster(t testing.TB) *RedisCluster {
	t.Helper()
	c := &RedisCluster{}
	create := []string{"--cluster", "create"}
	for i := range c.Nodes {
		c.Nodes[i] = StartRedis(t, RedisOptions{Args: []string{
			"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000",
			// The default is the port plus 10000, which can be over 65535.
			"--cluster-port", strconv.Itoa(freePort(t)),
		}})
		create = append(create, c.Nodes[i].Addr)
	}
	c.Nodes[0].CLI(append(create, "--cluster-yes")...)
	for _, node := range c.Nodes {
		eventually(t, "the cluster is up", func() bool {
			return strings.Contains(node.CLI("cluster", "info"), "cluster_state:ok")
		})
	}
	return c
}

// URL is the cluster's address as cache.redis_url has it.
func (c *RedisCluster) URL() string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr)
	}
	return "redis://" + strings.Join(addrs, ",") + "?cluster=true"
}

// eventually polls until it is so, and fails the test when that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	patience := time.After(startPatience)
	for !ok() {
		select {
		case <-poll.C:
		case <-patience:
			t.Fatalf("not within %s: %s", startPatience, what)
		}
	}
}
