package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/trust"
)

// check collects the faults that validation finds.
type check struct{ found Problems }

func (c *check) fault(key, format string, args ...any) {
	c.found = append(c.found, Problem{Key: key, Message: fmt.Sprintf(format, args...)})
}

func (c *check) oneOf(key, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	if near, ok := closest(value, allowed); ok && value != "" {
		c.fault(key, "%q is not one of %s; did you mean %s?", value, strings.Join(allowed, ", "), near)
		return
	}
	c.fault(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

func (c *check) required(key, value string) bool {
	if value == "" {
		c.fault(key, "is required")
	}
	return value != ""
}

func (c *check) between(key string, value, low, high time.Duration) {
	if value < low || value > high {
		c.fault(key, "%s is not between %s and %s", short(value), short(low), short(high))
	}
}

// short writes a duration without the zero minutes and seconds at its end.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// file reports a file that cannot be opened. The operator's mistake is nearly
// always the path or the owner, and both are in the message.
func (c *check) file(key, name string) bool {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		c.fault(key, "%s is a directory, not a file", name)
		return false
	}
	if err == nil && !info.Mode().IsRegular() {
		c.fault(key, "%s is not a regular file", name) // opening a pipe would wait for its writer
		return false
	}
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		c.unreadable(key, name, err)
		return false
	}
	_ = f.Close()
	return true
}

func (c *check) unreadable(key, name string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		c.fault(key, "the file %s does not exist; a relative path begins at the working directory", name)
		return
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	c.fault(key, "the file %s cannot be read: %v", name, err)
}

// certificates reports a file whose certificate authorities cannot be used; an empty
// name is none.
func (c *check) certificates(key, name string) {
	if name == "" || !c.file(key, name) {
		return
	}
	if _, err := trust.Load(name); err != nil {
		c.fault(key, "%v", err)
	}
}

// listenAddr reports an address that cannot be listened on.
func (c *check) listenAddr(key, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		c.fault(key, "%q is not host:port; without a host write :5001", addr)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		c.fault(key, "%q has no port between 0 and 65535", addr)
	}
	if strings.ContainsAny(host, " /") {
		c.fault(key, "%q has a host that is none", addr)
	}
}

// origin parses scheme://host[:port] without anything after it; nil when it is
// not that. The text is not in the message when it might hold a password.
func (c *check) origin(key, text string, schemes ...string) *url.URL {
	u, err := url.Parse(text)
	wanted := strings.Join(schemes, ":// or ") + "://"
	switch {
	case err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) || !validPort(u.Port()):
		c.fault(key, "must be a URL that begins with %s and has a host", wanted)
		return nil
	case u.User != nil:
		c.fault(key, "a URL here has no user name and no password")
		return nil
	}
	return u
}

// bare reports a URL that has more than an origin. A slash at the end is refused
// too: it makes realm URLs with two.
func (c *check) bare(key string, u *url.URL) {
	if u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		c.fault(key, "must end after the host and port: %s://%s", u.Scheme, u.Host)
	}
}

// below reports a URL that has more than an origin and a path to be below of. That
// path must not begin as one of ours: nobody could tell whether a proxy has taken it
// off.
func (c *check) below(key string, u *url.URL) {
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !pathBelow(u.EscapedPath()):
		c.fault(key, "must end after the host and port, or after a plain path without a slash at its end: %s://%s/drawbridge", u.Scheme, u.Host)
	case slices.Contains([]string{"token", "auth", "api", "console", "oauth2", "verify"}, first):
		c.fault(key, "the path must not begin with /%s, which is an endpoint of its own; use another one, such as /drawbridge", first)
	}
}

// pathBelow accepts segments that nothing on the way rewrites, and no slash at the
// end, which would make realm URLs with two.
func pathBelow(path string) bool {
	return regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*$`).MatchString(path)
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 65536
}
