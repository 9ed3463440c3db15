package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"drawbridge/tokens"
)

// Local is what stands behind Drawbridge, as its configuration names it. What is nil
// is not there.
type Local struct {
	// KeysErr says why the signing keys cannot be read; nil: Expiry has their ends.
	KeysErr error
	KeysDir string
	Expiry  []tokens.KeyInfo

	Connectors []Connector
	Person     *Person
	Redis      func(context.Context) error
	RedisName  string
	Store      func(context.Context) error
	StoreName  string
	Policy     func(context.Context) ([]Binding, error)
	Secrets    []string // files that hold one
	Clock      func() time.Time
}

// Binding is one of the policy, and its end; zero: never.
type Binding struct {
	Name string
	Ends time.Time
}

// keySoon is how long before its end a signing certificate is warned of. Leaves are
// replaced by themselves; what has so little left was not.
const keySoon = 30 * 24 * time.Hour

// leafSoon is how much of its time a leaf that should have been replaced has left.
const leafSoon = 6 * 24 * time.Hour

// bindingSoon is how long before its end a binding is worth a line.
const bindingSoon = 14 * 24 * time.Hour

// Checks are those of everything behind Drawbridge.
func (l *Local) Checks() []Check {
	checks := []Check{{Name: "signing keys", Run: l.keys}, {Name: "secrets' files", Run: l.files}}
	for _, c := range l.Connectors {
		checks = append(checks, Check{Name: "connector", Subject: c.Name, Run: c.check})
	}
	if l.Store != nil {
		checks = append(checks, Check{Name: "store", Subject: l.StoreName, Run: l.store})
	}
	if l.Redis != nil {
		checks = append(checks, Check{Name: "redis", Subject: l.RedisName, Run: l.redis})
	}
	if l.Policy != nil {
		checks = append(checks, Check{Name: "policy", Run: l.policy})
	}
	if l.Person != nil {
		checks = append(checks, Check{Name: "person", Subject: l.Person.Name, Run: l.Person.check, Needs: []string{"policy"}})
	}
	return checks
}

// keys looks whether the signing keys can be used, and for how long.
func (l *Local) keys(context.Context) Outcome {
	if l.KeysErr != nil {
		return found("", finding(KeysUnreadable, l.KeysErr.Error()+".",
			"Run doctor as the server's user, where the server runs and in its working directory. The keys are in "+l.KeysDir+".",
			"If no server has run here yet: drawbridge serve makes them."))
	}
	var findings []Finding
	now, first := l.Clock(), time.Time{}
	for _, k := range l.Expiry {
		left, soon := k.NotAfter.Sub(now), keySoon
		if k.Role == tokens.RoleLeaf {
			soon = leafSoon
		}
		if k.Role == tokens.RoleStatic { // nobody looks at the certificate of one
			continue
		}
		if first.IsZero() || k.NotAfter.Before(first) {
			first = k.NotAfter
		}
		if left < soon {
			findings = append(findings, finding(KeyEnds, fmt.Sprintf("The certificate of the %s key ends on %s.", k.Role, k.NotAfter.UTC().Format(time.RFC3339)), keyFix(k.Role)...))
		}
	}
	return found("the first certificate ends on "+first.UTC().Format(time.DateOnly), findings...)
}

func keyFix(role tokens.Role) []string {
	if role == tokens.RoleLeaf {
		return []string{"A running server replaces it by itself; its log says why it has not. At once: drawbridge keys rotate"}
	}
	return []string{
		"A CA that Drawbridge made: drawbridge keys rotate --new-ca, and follow what that prints.",
		"Your own (tokens.ca_cert_file): renew it, give it to every registry, restart them and then Drawbridge. docs/keys.md has both.",
	}
}

// files looks who else can read what is secret.
func (l *Local) files(context.Context) Outcome {
	var findings []Finding
	for _, file := range slices.Compact(slices.Sorted(slices.Values(l.Secrets))) {
		info, err := os.Stat(file)
		if err == nil {
			var f *os.File
			if f, err = os.Open(file); err == nil { // #nosec G304 -- only whether it can be read
				_ = f.Close()
			}
		}
		if err != nil {
			findings = append(findings, finding(FileUnreadable, fmt.Sprintf("%v.", err),
				"Run doctor as the server's user; if that one cannot read it either: chown drawbridge "+file))
			continue
		}
		const others fs.FileMode = 0o007
		if mode := info.Mode().Perm(); mode&others != 0 && !mounted(file) {
			findings = append(findings, finding(SecretOpen, fmt.Sprintf("%s has mode %04o.", file, mode), "chmod o= "+file,
				"If others use this machine, replace the secret: somebody may have read it."))
		}
	}
	return found(fmt.Sprintf("%d files", len(l.Secrets)), findings...)
}

// mounted says that a container's runtime has put the file there, readable for
// everybody inside, which is nobody else.
func mounted(file string) bool {
	real, err := filepath.EvalSymlinks(file)
	return err == nil && (strings.HasPrefix(real, "/run/secrets/") || strings.Contains(real, "/..")) // ..data of Kubernetes
}

func (l *Local) store(ctx context.Context) Outcome {
	if err := l.Store(ctx); err != nil {
		return found("", finding(StoreDown, err.Error()+".",
			"PostgreSQL: is it up, and does it let us in? psql with the URL of store.url.",
			"SQLite: is the disk full, and does drawbridge.db in data_dir belong to the server's user? df -h; ls -l"))
	}
	return okay("answers")
}

func (l *Local) redis(ctx context.Context) Outcome {
	if err := l.Redis(ctx); err != nil {
		return found("", finding(RedisDown, err.Error()+".",
			"Is it up, and does it let us in? redis-cli -u with the URL of cache.redis_url: PING, then SET drawbridge:doctor 1 EX 1",
			"A Redis with ACLs: docs/ha.md has the rule for Drawbridge's user."))
	}
	return okay("reads and writes")
}

// policy looks whether it can be loaded, and what ends.
func (l *Local) policy(ctx context.Context) Outcome {
	bindings, err := l.Policy(ctx)
	if err != nil {
		return found("", finding(PolicyUnreadable, strings.ReplaceAll(err.Error(), "\n", "; ")+".", "drawbridge policy check FILE says the same with lines; drawbridge policy history has the ones before."))
	}
	var findings []Finding
	now := l.Clock()
	for _, b := range bindings {
		if b.Ends.IsZero() || b.Ends.Sub(now) > bindingSoon {
			continue
		}
		verb := "ends"
		if now.After(b.Ends) {
			verb = "has ended"
		}
		findings = append(findings, finding(BindingEnds, fmt.Sprintf("The binding %s %s on %s.", b.Name, verb, b.Ends.UTC().Format(time.RFC3339)),
			"Change or remove `expires` in the policy, or remove the binding: drawbridge policy plan, drawbridge policy apply"))
	}
	return found(fmt.Sprintf("%d bindings", len(bindings)), findings...)
}
