package cache_test

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"drawbridge/cache"
	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

// secrets compares the text of secrets, which nothing else does.
func secrets() cmp.Option {
	return cmp.Comparer(func(a, b identity.Secret) bool { return a.Reveal() == b.Reveal() })
}

func TestParseRedisURL(t *testing.T) {
	s := identity.NewSecret
	for _, tt := range []struct {
		url  string
		want cache.RedisOptions
	}{
		{"redis://h", cache.RedisOptions{Addrs: []string{"h:6379"}}},
		{"redis://h/", cache.RedisOptions{Addrs: []string{"h:6379"}}},
		{"REDIS://h:1/15", cache.RedisOptions{Addrs: []string{"h:1"}, DB: 15}},
		{"rediss://r.example.com", cache.RedisOptions{Addrs: []string{"r.example.com:6379"}, TLS: true}},
		{"redis://10.0.0.1:7000", cache.RedisOptions{Addrs: []string{"10.0.0.1:7000"}}},
		{"redis://[::1]", cache.RedisOptions{Addrs: []string{"[::1]:6379"}}},
		{"redis://[2001:db8::1]:7000/1", cache.RedisOptions{Addrs: []string{"[2001:db8::1]:7000"}, DB: 1}},
		{"redis://:pw@h", cache.RedisOptions{Addrs: []string{"h:6379"}, Password: s("pw")}},
		{"redis://u:pw@h", cache.RedisOptions{Addrs: []string{"h:6379"}, Username: "u", Password: s("pw")}},
		{"redis://@h", cache.RedisOptions{Addrs: []string{"h:6379"}}},
		{"redis://:@h", cache.RedisOptions{Addrs: []string{"h:6379"}}},
		{
			"redis://u%40x:%40%3A%2F%3F%23%25+@h",
			cache.RedisOptions{Addrs: []string{"h:6379"}, Username: "u@x", Password: s("@:/?#%+")},
		},
		{
			"redis://h1:26379,h2:26380,[::1]/2?master_name=mymaster",
			cache.RedisOptions{Addrs: []string{"h1:26379", "h2:26380", "[::1]:26379"}, DB: 2, MasterName: "mymaster"},
		},
		{
			"rediss://u:pw@h?master_name=m&sentinel_username=su&sentinel_password=s%26p",
			cache.RedisOptions{
				Addrs: []string{"h:26379"}, TLS: true, Username: "u", Password: s("pw"),
				MasterName: "m", SentinelUsername: "su", SentinelPassword: s("s&p"),
			},
		},
		{"redis://h1,h2:7001,h3?cluster=true", cache.RedisOptions{Addrs: []string{"h1:6379", "h2:7001", "h3:6379"}, Cluster: true}},
		{"redis://h/0?cluster=1", cache.RedisOptions{Addrs: []string{"h:6379"}, Cluster: true}},
		{"redis://h?cluster=false", cache.RedisOptions{Addrs: []string{"h:6379"}}},
	} {
		got, err := cache.ParseRedisURL(identity.NewSecret(tt.url))
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, secrets()); diff != "" {
			t.Errorf("%s: %s", tt.url, diff)
		}
	}
}

// badURLs each hold the password hunter2, raw, where a person might get it wrong.
func badURLs() map[string]string {
	return map[string]string{
		"":                                        "must begin with redis://",
		"hunter2":                                 "must begin with redis://",
		"hunter2://h":                             "must begin with redis://",
		"unix:///run/redis.sock":                  "must begin with redis://",
		"redis:hunter2@h":                         "must begin with redis://",
		"redis://":                                "a host must be",
		"redis://:hunter2@":                       "a host must be",
		"redis://:hunter2@:6379":                  "a host must be",
		"redis://h:hunter2":                       "a host must be",
		"redis://h:0":                             "a host must be",
		"redis://h:65536":                         "a host must be",
		"redis://h:-1":                            "a host must be",
		"redis://h:1:2":                           "a host must be",
		"redis://::1":                             "a host must be",
		"redis://[hunter2]":                       "a host must be",
		"redis://[::1":                            "a host must be",
		"redis://a,,b?cluster=true":               "a host must be",
		"redis://a, b?cluster=true":               "a host must be",
		"redis://h\r\nhunter2":                    "a host must be",
		"redis://h%20hunter2":                     "a host must be",
		"redis://:hun@ter2@h":                     "percent-encode",
		"redis://u:hunter2:x@h":                   "percent-encode",
		"redis://:hunter2%zz@h":                   "percent-encode",
		"redis://hunter2%zz:x@h":                  "percent-encode",
		"redis://:/hunter2@h":                     "percent-encode",
		"redis://:x/hunter2@h/0":                  "percent-encode",
		"redis://:x?hunter2@h/0":                  "percent-encode",
		"redis://:x#hunter2@h/0":                  "percent-encode",
		"redis://hunter2@h":                       "without a password",
		"redis://:hunter2@h/hunter2":              "database number",
		"redis://h/-1":                            "database number",
		"redis://h/0/1":                           "database number",
		"redis://h/99999":                         "database number",
		"redis://h?hunter2=1":                     "empty or repeated parameter",
		"redis://h?cluster=true&cluster=0":        "empty or repeated parameter",
		"redis://h?%zzhunter2":                    "not valid",
		"redis://h?cluster=hunter2":               "true or false",
		"redis://a,b":                             "several hosts need",
		"redis://a?cluster=1&master_name=":        "",
		"redis://a?cluster=1&master_name=hunter2": "exclude each other",
		"redis://a/1?cluster=true":                "database 0 only",
		"redis://a?sentinel_password=hunter2":     "need master_name",
		"redis://a?sentinel_username=hunter2":     "need master_name",
	}
}

func TestParseRedisURLErrors(t *testing.T) {
	for text, want := range badURLs() {
		_, err := cache.ParseRedisURL(identity.NewSecret(text))
		switch {
		case err == nil:
			t.Errorf("%q is accepted", text)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%q: got %q, want it to say %q", text, err, want)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: the error repeats the URL: %v", text, err)
		}
	}
}

func FuzzParseRedisURL(f *testing.F) {
	for text := range badURLs() {
		f.Add(text)
	}
	f.Add("redis://u:hunter2@h1:26379,[::1]/2?master_name=m&sentinel_password=x")
	f.Fuzz(func(t *testing.T, text string) {
		opts, err := cache.ParseRedisURL(identity.NewSecret(text))
		if err != nil {
			// The messages are constants: nothing of the URL can be in them.
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error repeats the URL: %v", err)
			}
			return
		}
		if len(opts.Addrs) == 0 || opts.DB < 0 || opts.Cluster && opts.MasterName != "" {
			t.Fatalf("%q is accepted as %+v", text, opts)
		}
		for _, addr := range opts.Addrs {
			host, port, err := net.SplitHostPort(addr)
			if err != nil || host == "" || port == "" || strings.ContainsAny(addr, "@/?# \r\n\x00") {
				t.Fatalf("%q has the address %q: %v", text, addr, err)
			}
		}
	})
}

// FuzzParseRedisURLPassword checks that every password that is percent-encoded
// arrives as it is, and that one that is not never reaches an error.
func FuzzParseRedisURLPassword(f *testing.F) {
	for _, password := range []string{"x", "@:/?#%+&= ", "p@ss", "a/b", "\x00\xff", "pässwort"} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		opts, err := cache.ParseRedisURL(identity.NewSecret("redis://:" + url.QueryEscape("x"+password) + "@h/1"))
		if strings.Contains(password, " ") {
			return // QueryEscape writes it as +, which is itself in this place
		}
		if err != nil || opts.Password.Reveal() != "x"+password {
			t.Fatalf("%q: got %q, %v", password, opts.Password.Reveal(), err)
		}
	})
}
