package cache

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"drawbridge/identity"
)

// The ports that a URL without one means.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// maxDB is the highest database number that is taken for one. Redis has 16
// unless it is told otherwise.
const maxDB = 1<<15 - 1

// What is wrong with a URL. None of these says what the URL holds: a password
// whose @, /, ? or # is not percent-encoded ends up in any part of it.
var (
	errScheme   = errors.New("the URL must begin with redis:// or rediss:// (TLS)")
	errUserinfo = errors.New("the user name or password before the @ is not valid: percent-encode @ : / ? # % in it")
	errStrayAt  = errors.New("there is an @ behind the hosts: percent-encode @ : / ? # % in the user name and password")
	errFragment = errors.New("a URL has no # part: percent-encode # in the password as %23")
	errHost     = errors.New("a host must be name, name:port, address:port or [IPv6]:port, several separated by commas")
	errDB       = errors.New("the part after the hosts must be a database number, such as /0")
	errQuery    = errors.New("the part after the ? is not valid: write name=value pairs joined by &")
	errParam    = errors.New("unknown, empty or repeated parameter: there are cluster, master_name, sentinel_username and sentinel_password")
	errCluster  = errors.New("cluster must be true or false")
	errMode     = errors.New("cluster=true and master_name (Sentinel) exclude each other")
	errClusterN = errors.New("a Redis Cluster has database 0 only")
	errSeveral  = errors.New("several hosts need cluster=true (Redis Cluster) or master_name=NAME (Sentinel)")
	errSentinel = errors.New("sentinel_username and sentinel_password need master_name=NAME (Sentinel)")
	errUserOnly = errors.New("there is a user name without a password: a password alone is written redis://:password@host")
)

// ParseRedisURL reads a cache.redis_url. The forms are
//
//	redis://[[user]:password@]host[:port][/db]                     one server
//	redis://host[:port],host[:port]/db?master_name=NAME            Sentinel
//	redis://host[:port],host[:port]?cluster=true                   Cluster
//
// and the same with rediss:// for TLS. With Sentinel the hosts are those of the
// sentinels, the user and password those of the master; sentinel_username and
// sentinel_password are parameters. The port is 6379 when absent, 26379 for
// sentinels. An error tells what is wrong and repeats no part of the URL.
//
// It is not a job for net/url, which knows one host per URL and repeats the
// URL, password and all, in its errors.
func ParseRedisURL(secret identity.Secret) (RedisOptions, error) {
	var opts RedisOptions
	rest, err := cutScheme(secret.Reveal(), &opts)
	if err != nil {
		return RedisOptions{}, err
	}
	if strings.Contains(rest, "#") {
		return RedisOptions{}, errFragment
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, db, _ := strings.Cut(rest, "/")
	if strings.Contains(db, "@") || strings.Contains(query, "@") {
		return RedisOptions{}, errStrayAt
	}
	hosts, err := cutUserinfo(authority, &opts)
	if err != nil {
		return RedisOptions{}, err
	}
	if err := parseQuery(query, &opts); err != nil {
		return RedisOptions{}, err
	}
	if opts.Addrs, err = parseHosts(hosts, opts.MasterName != ""); err != nil {
		return RedisOptions{}, err
	}
	if opts.DB, err = parseDB(db); err != nil {
		return RedisOptions{}, err
	}
	return opts, opts.validate()
}

func cutScheme(text string, opts *RedisOptions) (rest string, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	switch strings.ToLower(scheme) {
	case "redis":
	case "rediss":
		opts.TLS = true
	default:
		ok = false
	}
	if !ok {
		return "", errScheme
	}
	return rest, nil
}

// cutUserinfo takes user:password@ off the authority and returns the hosts.
func cutUserinfo(authority string, opts *RedisOptions) (hosts string, err error) {
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return authority, nil
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	if strings.ContainsAny(user+password, "@:") {
		return "", errUserinfo
	}
	if opts.Username, err = url.PathUnescape(user); err != nil {
		return "", errUserinfo
	}
	if password, err = url.PathUnescape(password); err != nil {
		return "", errUserinfo
	}
	if password == "" && user != "" {
		return "", errUserOnly
	}
	opts.Password = identity.NewSecret(password)
	return authority[at+1:], nil
}

func parseQuery(query string, opts *RedisOptions) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errQuery
	}
	for name, value := range values {
		if len(value) != 1 || value[0] == "" {
			return errParam
		}
		switch name {
		case "cluster":
			if opts.Cluster, err = strconv.ParseBool(value[0]); err != nil {
				return errCluster
			}
		case "master_name":
			opts.MasterName = value[0]
		case "sentinel_username":
			opts.SentinelUsername = value[0]
		case "sentinel_password":
			opts.SentinelPassword = identity.NewSecret(value[0])
		default:
			return errParam
		}
	}
	return nil
}

func parseHosts(text string, sentinel bool) ([]string, error) {
	port := redisPort
	if sentinel {
		port = sentinelPort
	}
	var addrs []string
	for host := range strings.SplitSeq(text, ",") {
		addr, err := parseHost(host, port)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// parseHost returns host:port, with the default port where there is none.
func parseHost(text, defaultPort string) (string, error) {
	host, port := text, defaultPort
	switch inner, isBracketed := strings.CutPrefix(text, "["); {
	case isBracketed && strings.HasSuffix(inner, "]"):
		host = strings.TrimSuffix(inner, "]")
	case isBracketed || strings.Contains(text, ":"):
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errHost
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errHost
	}
	if strings.HasPrefix(text, "[") != (strings.Contains(host, ":") && net.ParseIP(host) != nil) {
		return "", errHost
	}
	if host == "" || strings.ContainsFunc(host, notInHost) {
		return "", errHost
	}
	return net.JoinHostPort(host, port), nil
}

// notInHost reports the characters that no host name or address has.
func notInHost(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`%[]<>"'\^{}|@/?#`+"`", r)
}

func parseDB(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	db, err := strconv.ParseUint(text, 10, 16)
	if err != nil || db > maxDB {
		return 0, errDB
	}
	return int(db), nil //nolint:gosec // at most maxDB
}
