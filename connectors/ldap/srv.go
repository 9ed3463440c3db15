package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors/measure"

	ldap3 "github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/singleflight"
)

const (
	// srvFresh is how long an answer is used before it is asked for again, in the
	// background. Go does not tell the records' own time to live.
	srvFresh = time.Minute
	// srvRetry is the time between two tries while DNS does not answer.
	srvRetry = 5 * time.Second
	// maxTargets bounds the servers that DNS can make us know.
	maxTargets = 256
)

var errNoServers = errors.New("the domain says that it has no such service")

// srvResolver is [net.Resolver], or a test's.
type srvResolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// srvDomain is a [source] whose hosts are SRV records (RFC 2782). DNS is not
// authenticated: what it names is a server only if the name lies in the domain, and
// the server's certificate must be for that name.
type srvDomain struct {
	name      string // as it is queried
	inside    string // where the servers must lie
	ldaps     bool
	transport *transport
	resolver  srvResolver
	clock     func() time.Time
	random    func(n int64) int64 // from 0 to n-1
	log       *slog.Logger
	life      context.Context
	limit     time.Duration // of one lookup

	flight  singleflight.Group
	mu      sync.Mutex
	targets []target // the last good answer
	tried   time.Time
	err     error  // of the last try
	refused string // of the last answer: names outside the domain
}

// target is one server of a domain.
type target struct {
	host             *host
	priority, weight uint16
}

func (c *Connector) newSRVDomain(u *url.URL, ldaps bool, t *transport, resolver *net.Resolver) (*srvDomain, error) {
	if u.Port() != "" {
		return nil, errors.New("a domain has no port; DNS says it")
	}
	inside, err := configs.LDAPDomain(u.Hostname())
	if err != nil {
		return nil, err
	}
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return &srvDomain{
		name: strings.TrimSuffix(u.Hostname(), "."), inside: inside, ldaps: ldaps, transport: t, resolver: resolver,
		clock: c.clock, random: random, log: c.log, life: c.life, limit: c.limits.dial,
	}, nil
}

// inClear: DNS may name any host, so that none is known to be this machine.
func (d *srvDomain) inClear() string {
	if d.ldaps || d.transport.startTLS {
		return ""
	}
	return "the servers of " + d.name
}

func (d *srvDomain) known() []*host {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*host, len(d.targets))
	for i, t := range d.targets {
		all[i] = t.host
	}
	return all
}

// hosts waits for DNS only while nothing was ever answered. From then on the last
// good answer is used, and asked for again in the background.
func (d *srvDomain) hosts(ctx context.Context) ([]*host, error) {
	targets, due, err := d.state()
	if due {
		done := d.flight.DoChan("", d.refresh)
		if targets == nil {
			select {
			case <-done:
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for the servers of %s: %w", d.name, ctx.Err())
			}
			targets, _, err = d.state()
		}
	}
	if targets == nil {
		return nil, fmt.Errorf("find the servers of %s: %w", d.name, err)
	}
	return d.order(targets), nil
}

// state returns the last good answer, whether it is time for another try, and the
// error of the last one.
func (d *srvDomain) state() (targets []target, due bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wait := srvFresh
	if d.err != nil {
		wait = srvRetry
	}
	return d.targets, d.tried.IsZero() || d.clock().Sub(d.tried) >= wait, d.err
}

// order draws an order as RFC 2782 says: by priority, and within one by chance, in
// proportion to the weight. It is drawn for each connection, so that the load is
// shared also between two lookups. The targets are sorted by priority.
func (d *srvDomain) order(targets []target) []*host {
	ordered := make([]*host, 0, len(targets))
	for rest := slices.Clone(targets); len(rest) > 0; {
		sum, same := int64(0), 0
		for same < len(rest) && rest[same].priority == rest[0].priority {
			sum += int64(rest[same].weight)
			same++
		}
		i := 0
		if sum == 0 {
			i = int(d.random(int64(same)))
		} else { // those without a weight come first, and so are drawn with 0 alone
			draw := d.random(sum + 1)
			for running := int64(rest[0].weight); running < draw; running += int64(rest[i].weight) {
				i++
			}
		}
		ordered = append(ordered, rest[i].host)
		rest = slices.Delete(rest, i, i+1)
	}
	return ordered
}

// refresh asks DNS once. Only one runs at a time. What is no usable answer leaves
// the one before in use.
func (d *srvDomain) refresh() (any, error) {
	if _, due, _ := d.state(); !due {
		return nil, nil // another login was faster
	}
	ctx, cancel := context.WithTimeout(d.life, d.limit)
	defer cancel()
	question := measure.Ask(ctx, backend, opResolve, "")
	records, err := d.lookup(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	question.End(d.transport.metrics, requestOutcome(err))
	d.mu.Lock()
	defer d.mu.Unlock()
	var targets []target
	if err == nil {
		targets, err = d.accept(records)
	}
	if err != nil && d.err == nil && d.life.Err() == nil {
		d.log.Warn("DNS does not name the servers of the domain; those it named last stay in use",
			"domain", d.name, "servers", len(d.targets), "error", err)
	}
	d.tried, d.err = d.clock(), err
	if err == nil {
		d.targets = targets
	}
	return nil, nil
}

// lookup returns the records. A domain without _ldaps._tcp records, as Active
// Directory is, has _ldap._tcp ones: the names in them are right for ldaps too, and
// their port is not, which is the one for plain LDAP.
func (d *srvDomain) lookup(ctx context.Context) ([]*net.SRV, error) {
	if !d.ldaps {
		return d.records(ctx, "ldap")
	}
	records, err := d.records(ctx, "ldaps")
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
		return records, err
	}
	records, err = d.records(ctx, "ldap")
	port, _ := strconv.ParseUint(ldap3.DefaultLdapsPort, 10, 16)
	for _, r := range records {
		r.Port = uint16(port)
	}
	return records, err
}

func (d *srvDomain) records(ctx context.Context, service string) ([]*net.SRV, error) {
	// With the dot at its end the name is whole: no search domain is tried.
	_, records, err := d.resolver.LookupSRV(ctx, service, "tcp", d.name+".")
	if len(records) > 0 {
		return records, nil // the error tells of names that are none, and are left out
	}
	if err == nil {
		err = &net.DNSError{Err: "no records", Name: "_" + service + "._tcp." + d.name, IsNotFound: true}
	}
	return nil, err
}

// accept makes targets of the records. A host that was in the answer before is the
// same one now, with its breaker. The caller holds the lock.
func (d *srvDomain) accept(records []*net.SRV) ([]target, error) {
	hosts := map[string]*host{}
	for _, t := range d.targets {
		hosts[t.host.addr] = t.host
	}
	var targets []target
	var refused []string
	taken := map[string]bool{}
	for _, r := range records {
		name := strings.ToLower(strings.TrimSuffix(r.Target, "."))
		switch {
		case name == "" && len(records) == 1:
			return nil, errNoServers // RFC 2782: decidedly not available
		case name != d.inside && !strings.HasSuffix(name, "."+d.inside):
			refused = append(refused, name)
			continue
		}
		h := d.transport.host(name, strconv.Itoa(int(r.Port)), d.ldaps)
		if old := hosts[h.addr]; old != nil {
			h = old
		}
		if !taken[h.addr] && len(targets) < maxTargets {
			taken[h.addr] = true
			targets = append(targets, target{h, r.Priority, r.Weight})
		}
	}
	d.warnOf(refused)
	if len(targets) == 0 {
		return nil, fmt.Errorf("of the servers that DNS names, none is in %s", d.inside)
	}
	slices.SortStableFunc(targets, func(a, b target) int {
		if a.priority != b.priority {
			return int(a.priority) - int(b.priority)
		}
		return min(1, int(a.weight)) - min(1, int(b.weight))
	})
	return targets, nil
}

// warnOf reports names outside the domain, once for as long as they are the same.
func (d *srvDomain) warnOf(refused []string) {
	slices.Sort(refused)
	names := strings.Join(refused[:min(len(refused), 8)], " ")
	if names != d.refused && names != "" {
		d.log.Warn("DNS names servers outside the domain, which get no password; if they are right, list them in urls",
			"domain", d.name, "inside", d.inside, "servers", names)
	}
	d.refused = names
}
