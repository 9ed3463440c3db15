package migrate_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/authz"
	"drawbridge/identity"
	"drawbridge/migrate"

	"go.yaml.in/yaml/v3"
)

const service = "Docker registry"

// ours decides with the policy that was made. Every account may come from each of the
// connectors that know it.
type ours struct {
	policy *authz.Policy
	users  map[string]bool
	home   string
}

func newOurs(t *testing.T, config string) (*ours, *migrate.Result) {
	t.Helper()
	made, err := migrate.DockerAuth([]byte(config), migrate.Options{Service: service, Dir: "/etc/drawbridge"})
	if err != nil {
		t.Fatal(err)
	}
	o := &ours{users: map[string]bool{}, home: "local"}
	if strings.Contains(made.Files["drawbridge.yaml"], "type: ldap") {
		o.home = "ldap"
	}
	for line := range strings.Lines(made.Files["htpasswd"]) {
		name, _, _ := strings.Cut(line, ":")
		o.users[name] = true
	}
	doc, err := authz.Parse("policy.yaml", []byte(made.Files["policy.yaml"]))
	if err == nil {
		o.policy, err = doc.Compile(authz.Options{HomeConnector: o.home, Registries: []string{service}})
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, made.Files["policy.yaml"])
	}
	return o, made
}

// granted returns what an account may on a name, in the order of the alphabet.
func (o *ours) granted(account, name string) []string {
	id := identity.Identity{}
	if account != "" {
		id = identity.Identity{Kind: identity.User, Connector: o.home, Name: account}
		if o.users[account] {
			id.Connector = "local"
		}
	}
	scope := "repository:" + name + ":delete,pull,push"
	if name == "catalog" {
		scope = "registry:catalog:*"
	}
	subject := o.policy.Subject(id)
	var got []string
	for _, asked := range authz.ParseScopes([]string{scope}) {
		got = append(got, o.policy.Decide(&subject, service, asked, time.Unix(1, 0)).Names()...)
	}
	if name == "catalog" && len(got) > 0 {
		return []string{"*"}
	}
	slices.Sort(got)
	return got
}

// decision is one that docker_auth itself has made.
type decision struct {
	account, name string
	granted       []string
}

// recorded reads what docker_auth's own authz package (commit c67e1750) answered for a
// configuration on the grid of accounts, names and actions.
func recorded(t *testing.T, file string) (all []decision) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "|")
		all = append(all, decision{fields[0], fields[1], strings.FieldsFunc(fields[2], func(r rune) bool { return r == ',' })})
	}
	return all
}

// ofACL reports whether something of the ACL was lost.
func ofACL(made *migrate.Result) bool {
	return slices.ContainsFunc(made.Losses, func(l migrate.Loss) bool { return strings.HasPrefix(l.Text, "acl: ") })
}

// On the whole grid the policy grants what docker_auth granted: never more, and less
// only where the losses say so.
func TestDockerAuthDecisions(t *testing.T) {
	for name, tc := range map[string]struct {
		same      bool
		anonymous bool
	}{
		"team": {same: true, anonymous: true},
		"hard": {},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := os.ReadFile(filepath.Join("testdata", name+".yml"))
			if err != nil {
				t.Fatal(err)
			}
			o, made := newOurs(t, string(config))
			less, grants := 0, 0
			for _, d := range recorded(t, filepath.Join("testdata", name+".decisions")) {
				got := o.granted(d.account, d.name)
				for _, a := range got {
					if !slices.Contains(d.granted, a) {
						t.Errorf("%q on %s: more than docker_auth: %v, not %v", d.account, d.name, got, d.granted)
					}
				}
				if d.account == "" && !tc.anonymous {
					continue
				}
				if grants += len(d.granted); len(got) < len(d.granted) {
					less++
					if tc.same {
						t.Errorf("%q on %s: less than docker_auth: %v, not %v", d.account, d.name, got, d.granted)
					}
				}
			}
			if grants < 100 {
				t.Errorf("docker_auth grants %d things, so that this shows nothing", grants)
			}
			t.Logf("less on %d of the grid", less)
			if (less > 0) != ofACL(made) {
				t.Errorf("the losses are %v", made.Losses)
			}
			if t.Failed() {
				t.Log(made.Files["policy.yaml"])
			}
		})
	}
}

// ruleOf and dockerDecides are docker_auth's rules, said again in a few lines, for
// lists of entries that chance makes. The first test is their own.
type rule struct {
	Match struct {
		Account, Type, Name *string
		Labels              map[string]string
	}
	Actions []string
}

type account struct {
	Password string
	Labels   map[string][]string
}

func dockerDecides(rules []rule, users map[string]*account, who, typ, name string, asked []string) []string {
	matches := func(p *string, text string) bool {
		if p == nil {
			return true
		}
		full := strings.ReplaceAll(*p, "${account}", regexp.QuoteMeta(who))
		if len(full) > 2 && strings.HasPrefix(full, "/") && strings.HasSuffix(full, "/") {
			ok, err := regexp.MatchString(full[1:len(full)-1], text)
			return err == nil && ok
		}
		ok, err := path.Match(full, text)
		return err == nil && ok
	}
	for _, r := range rules {
		labels := true
		for label, p := range r.Match.Labels {
			labels = labels && users[who] != nil && slices.ContainsFunc(users[who].Labels[label], func(v string) bool { return matches(&p, v) })
		}
		if !labels || !matches(r.Match.Account, who) || !matches(r.Match.Type, typ) || !matches(r.Match.Name, name) {
			continue
		}
		if len(r.Actions) == 1 && r.Actions[0] == "*" {
			return asked
		}
		return slices.DeleteFunc(slices.Clone(asked), func(a string) bool { return !slices.Contains(r.Actions, a) })
	}
	return nil
}

func TestTheRulesSaidAgain(t *testing.T) {
	text, err := os.ReadFile("testdata/team.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ ACL []rule }
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	for _, d := range recorded(t, "testdata/team.decisions") {
		typ, asked := "repository", []string{"delete", "pull", "push"}
		if d.name == "catalog" {
			typ, asked = "registry", []string{"*"}
		}
		if got := dockerDecides(config.ACL, nil, d.account, typ, d.name, asked); !slices.Equal(got, d.granted) {
			t.Errorf("%+v: %v", d, got)
		}
	}
}

// Lists that chance makes: whatever they are, nothing is widened.
func TestNothingIsWidened(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same lists each time
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	optional := func(from ...string) *string {
		if random.IntN(4) == 0 {
			return nil
		}
		s := pick(from...)
		return &s
	}
	accounts := []string{"", "alice", "bob", "a.b", "x", "Y@z"}
	repositories := []string{"a", "b", "alice", "alice/a", "bob/b", "a/b", "a/b/c", "ab/c", "a.b/x", "axb/x", "x/y", "y/x/alice"}
	narrower, granted := 0, 0
	for range 300 {
		users := map[string]*account{"alice": {"$2a$04$t/UAWr.k9mD4sqnrhF4jXu1DjRi1b98HHXRkM6TUyKTYPW8sFgYIe", map[string][]string{"team": {"a", "red"}}}}
		if random.IntN(2) == 0 {
			users[""] = nil
		}
		var rules []rule
		for range 1 + random.IntN(6) {
			var r rule
			r.Match.Account = optional("", "alice", "bob", "/.+/", "/^a/", "*", "/^(alice|bob)$/", "/alice|x/", "?", "a*", "/.*/")
			r.Match.Name = optional("a", "a/*", "*", "*/*", "a*", "*b/*", "/.*/", "/^a/", "/^a/.*$/", "/^a.*$/", "/^(a|b)/[^/]+$/", "${account}/*", "${account}",
				"*/${account}", "/^${account}/.+$/", "a?/*", "**", "*/b/*", "[ab]/*", "/^a[^/]*/b$/", "${user}/*", "catalog")
			if random.IntN(5) == 0 {
				r.Match.Type = optional("repository", "registry", "/^reg/", "*")
			}
			if random.IntN(6) == 0 {
				r.Match.Labels = map[string]string{"team": pick("a", "red", "b", "/./", "${account}")}
			}
			r.Actions = [][]string{{}, {"*"}, {"pull"}, {"pull", "push"}, {"push"}, {"delete"}, {"pull", "delete"}, {"*", "pull"}}[random.IntN(8)]
			rules = append(rules, r)
		}
		text := document(t, users, rules)
		o, made := newOurs(t, text)
		for _, who := range accounts {
			if _, anonymous := users[""]; who == "" && !anonymous {
				continue
			}
			for _, name := range append(repositories, "catalog") {
				typ, asked := "repository", []string{"delete", "pull", "push"}
				if name == "catalog" {
					typ, asked = "registry", []string{"*"}
				}
				want, got := dockerDecides(rules, users, who, typ, name, asked), o.granted(who, name)
				granted += len(want)
				narrower += len(want) - len(got)
				if slices.ContainsFunc(got, func(a string) bool { return !slices.Contains(want, a) }) {
					t.Fatalf("%q on %s is granted %v, and docker_auth grants %v:\n%s\n%s", who, name, got, want, text, made.Files["policy.yaml"])
				}
				if len(got) < len(want) && !ofACL(made) {
					t.Fatalf("%q on %s is granted %v of %v, and no loss is listed:\n%s\n%s", who, name, got, want, text, made.Files["policy.yaml"])
				}
			}
		}
	}
	t.Logf("%d of %d grants are carried over", granted-narrower, granted)
	if narrower > granted/2 {
		t.Errorf("%d of %d grants are lost", narrower, granted)
	}
}

// document writes a configuration as docker_auth reads it.
func document(t *testing.T, users map[string]*account, rules []rule) string {
	t.Helper()
	entries := make([]map[string]any, len(rules))
	for i, r := range rules {
		match := map[string]any{}
		for key, p := range map[string]*string{"account": r.Match.Account, "type": r.Match.Type, "name": r.Match.Name} {
			if p != nil {
				match[key] = *p
			}
		}
		if r.Match.Labels != nil {
			match["labels"] = r.Match.Labels
		}
		entries[i] = map[string]any{"match": match, "actions": r.Actions}
	}
	accounts := map[string]any{}
	for name, u := range users {
		accounts[name] = map[string]any{}
		if u != nil {
			accounts[name] = map[string]any{"password": u.Password, "labels": u.Labels}
		}
	}
	text, err := json.MarshalIndent(map[string]any{
		"token": map[string]any{"expiration": 900}, "users": accounts, "acl": entries,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\n", text)
}
