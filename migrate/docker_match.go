package migrate

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// certainty is whether an entry matches somebody of whom not everything is known.
type certainty uint8

const (
	no certainty = iota
	maybe
	yes
)

// also is the certainty that both hold.
func (c certainty) also(other certainty) certainty { return min(c, other) }

// known is yes or no.
func known(matches bool) certainty {
	if matches {
		return yes
	}
	return no
}

// caller is a kind of caller: one account, nobody, or everybody that has no name in the
// file.
type caller struct {
	name      string // of an account
	anonymous bool
	other     bool
	// labels are those of the account. Without labelsKnown they come from a directory,
	// which says at least those of sure.
	labels      map[string][]string
	labelsKnown bool
	sure        map[string]string
}

// isRegexp reports whether docker_auth takes a pattern for a regular expression.
func isRegexp(p string) bool { return len(p) > 2 && p[0] == '/' && p[len(p)-1] == '/' }

// matchText is docker_auth's matching of a pattern without variables.
func matchText(p, text string) bool {
	if isRegexp(p) {
		re, err := regexp.Compile(p[1 : len(p)-1])
		return err == nil && re.MatchString(text)
	}
	matched, err := path.Match(p, text)
	return err == nil && matched
}

// everything are the patterns that match every text but the empty one, as people
// write them.
func everything(p string) bool {
	return slices.Contains([]string{"/.+/", "/.*/", "/^.+$/", "/^.*$/", "/./", "/^.+/", "/^.*/"}, p)
}

// matches says whether an entry matches a caller, for a type of resource and a
// service, whatever the name.
func (e *dockerEntry) matches(c *caller, typ, service string) certainty {
	sure := e.account(c).also(e.labels(c))
	for _, field := range []struct {
		pattern *string
		text    string
	}{{e.Match.Type, typ}, {e.Match.Service, service}} {
		switch {
		case field.pattern == nil:
		case strings.Contains(*field.pattern, "${"):
			sure = sure.also(maybe)
		default:
			sure = sure.also(known(matchText(*field.pattern, field.text)))
		}
	}
	if e.Match.IP != nil {
		sure = sure.also(maybe)
	}
	return sure
}

func (e *dockerEntry) account(c *caller) certainty {
	p := e.Match.Account
	switch {
	case p == nil:
		return yes
	case strings.Contains(*p, "${"):
		return maybe
	case !c.other:
		return known(matchText(*p, c.name))
	case everything(*p):
		return yes
	}
	if names := finite(*p); names != nil { // each is a caller of its own
		return no
	}
	return maybe
}

func (e *dockerEntry) labels(c *caller) certainty {
	sure := yes
	for label, p := range e.Match.Labels {
		switch {
		case strings.Contains(p, "${"):
			sure = sure.also(maybe)
		case c.labelsKnown:
			sure = sure.also(known(slices.ContainsFunc(c.labels[label], func(v string) bool { return matchText(p, v) })))
		case c.sure[label] != "" && matchText(p, c.sure[label]):
		default:
			sure = sure.also(maybe)
		}
	}
	return sure
}

// has reports whether the entry grants an action of a repository, or the catalog,
// whose action is "*".
func (e *dockerEntry) has(action string) bool {
	return len(e.Actions) == 1 && e.Actions[0] == "*" || slices.Contains(e.Actions, action)
}

// capture is docker_auth's ${account:1}: a group of the regular expression beside.
func (e *dockerEntry) capture(name string, c *caller) (string, bool) {
	re := regexp.MustCompile(`\$\{account:(\d+)\}`)
	if !re.MatchString(name) {
		return name, true
	}
	if c.other || e.Match.Account == nil || !isRegexp(*e.Match.Account) {
		return "", false
	}
	account, err := regexp.Compile(strings.Trim(*e.Match.Account, "/"))
	if err != nil {
		return "", false
	}
	groups, good := account.FindStringSubmatch(c.name), true
	out := re.ReplaceAllStringFunc(name, func(v string) string {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(v, "${account:"), "}"))
		// What docker_auth puts in is a pattern by itself: only plain text is ours to judge.
		if err != nil || n < 1 || n >= len(groups) || regexp.QuoteMeta(groups[n]) != groups[n] {
			good = false
			return ""
		}
		return groups[n]
	})
	return out, good
}
