package htpasswd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"
)

// maxFile bounds what is read, in bytes: some 100,000 people.
const maxFile = 16 << 20

// Deps is what a connector needs from its surroundings.
type Deps struct {
	// Log receives warnings about the files. Required.
	Log *slog.Logger
	// Gate bounds the password checks, and is shared by all connectors of a
	// process; nil is one of this connector's own.
	Gate *Gate
}

// Connector verifies passwords against one htpasswd file. It implements
// [connectors.Connector], [connectors.Looker] and [connectors.Rechecker].
type Connector struct {
	name       string
	file       string
	groupsFile string
	log        *slog.Logger
	gate       *Gate
	compare    func(hash, password []byte) error // bcrypt; counted in tests

	reload sync.Mutex // one reload at a time, so that the last one wins
	data   atomic.Pointer[table]
}

// table is the content of both files at one moment.
type table struct {
	users   map[string]account
	groups  map[string][]string // by user, sorted
	maxCost int                 // of all users; 0 when there are none

	generation string // a hash of both files
}

// Open reads the files of the connector and fails if either is missing or holds
// a fault: a start with half the people would look like an intrusion to the rest.
func Open(cfg configs.Connector, deps Deps) (*Connector, error) {
	c := &Connector{
		name:       cfg.Name,
		file:       cfg.HTPasswd.File,
		groupsFile: cfg.HTPasswd.GroupsFile,
		log:        deps.Log.With("connector", cfg.Name),
		gate:       deps.Gate,
		compare:    bcrypt.CompareHashAndPassword,
	}
	if c.gate == nil {
		c.gate = NewGate(0)
	}
	return c, c.Reload()
}

// Name returns the connector's name from the configuration.
func (c *Connector) Name() string { return c.name }

// Generation implements [connectors.Versioned]: it changes with the content of
// the files, so that no password and no group is remembered past a reload.
func (c *Connector) Generation() string { return c.data.Load().generation }

// Reload reads both files again. On any fault the data read before stays in
// force and the error lists the faults of both files with their lines.
func (c *Connector) Reload() error {
	c.reload.Lock()
	defer c.reload.Unlock()
	t, err := c.load()
	if err != nil {
		return fmt.Errorf("connector %s: %w", c.name, err)
	}
	c.data.Store(t)
	return nil
}

// Authenticate verifies a password. See the package comment for the outcomes and
// for why they all cost the same.
func (c *Connector) Authenticate(ctx context.Context, cred identity.Credential) connectors.Outcome {
	t := c.data.Load()
	if t.maxCost == 0 {
		return connectors.NotMine() // nobody in the file: nothing to hide
	}
	var out connectors.Outcome
	if err := c.gate.do(ctx, func() { out = c.check(t, cred) }); err != nil {
		return connectors.Unavailable(fmt.Errorf("check the password: %w", err))
	}
	return out
}

// check does the work of a login, the same amount for every answer but Granted.
func (c *Connector) check(t *table, cred identity.Credential) connectors.Outcome {
	password := []byte(cred.Password.Reveal())
	tooLong := len(password) > maxPassword
	password = password[:min(len(password), maxPassword)]
	user, known := t.users[cred.Username]
	if !known {
		c.burn(t.maxCost, password)
		return connectors.NotMine()
	}
	err := c.compare(user.hash, password)
	if err == nil && !tooLong {
		id := t.identity(c.name, cred.Username)
		id.Method = identity.MethodPassword
		return connectors.Granted(id).WithVersion(user.version(cred.Username))
	}
	// 2^cost and 2^cost + 2^(cost+1) + ... + 2^(max-1) make 2^max.
	for cost := user.cost; cost < t.maxCost; cost++ {
		c.burn(cost, password)
	}
	switch {
	case tooLong:
		return connectors.Denied(connectors.BadPassword)
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return connectors.Denied(connectors.WrongPassword)
	}
	return connectors.Unavailable(fmt.Errorf("check the password: %w", err))
}

// Lookup finds a person without a password. The identity has no method, because
// nothing was proved.
func (c *Connector) Lookup(_ context.Context, username string) connectors.Outcome {
	t := c.data.Load()
	if _, known := t.users[username]; !known {
		return connectors.NotMine()
	}
	return connectors.Granted(t.identity(c.name, username))
}

// Recheck implements [connectors.Rechecker]. There is no stable ID in a file: whoever
// has the same name and the same line is the same person.
func (c *Connector) Recheck(_ context.Context, id identity.Identity, version string) connectors.Outcome {
	t := c.data.Load()
	user, known := t.users[id.Name]
	if !known {
		return connectors.NotMine()
	}
	now := user.version(id.Name)
	if now != version {
		return connectors.Denied(connectors.PasswordChanged)
	}
	return connectors.Granted(t.identity(c.name, id.Name)).WithVersion(now)
}

// burn spends what a check of a hash of that cost spends. Nobody's password is
// behind the dummy, and the result is not looked at.
func (c *Connector) burn(cost int, password []byte) {
	dummy := fmt.Sprintf("$2b$%02d$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", cost)
	_ = c.compare([]byte(dummy), password)
}

func (t *table) identity(connector, username string) identity.Identity {
	return identity.Identity{
		Kind:      identity.User,
		Connector: connector,
		Name:      username,
		Groups:    slices.Clone(t.groups[username]), // callers may sort theirs
	}
}

// load reads both files into a new table.
func (c *Connector) load() (*table, error) {
	userData, err := readFile(c.file)
	if err != nil {
		return nil, fmt.Errorf("read the password file: %w", err)
	}
	var groupData []byte
	if c.groupsFile != "" {
		if groupData, err = readFile(c.groupsFile); err != nil {
			return nil, fmt.Errorf("read the group file: %w", err)
		}
	}
	users, userFaults := parseUsers(userData)
	groups, groupFaults := parseGroups(groupData)
	if err := joinFaults(&Faults{c.file, userFaults}, &Faults{c.groupsFile, groupFaults}); err != nil {
		return nil, err
	}
	t := &table{users: users, groups: make(map[string][]string), generation: contentHash(userData, groupData)}
	c.indexCosts(t)
	c.indexGroups(t, groups)
	return t, nil
}

// contentHash is the same on every replica that has the same files.
func contentHash(users, groups []byte) string {
	userSum, groupSum := sha256.Sum256(users), sha256.Sum256(groups)
	return hex.EncodeToString(userSum[:16]) + hex.EncodeToString(groupSum[:16])
}

func (c *Connector) indexCosts(t *table) {
	for name, user := range t.users {
		t.maxCost = max(t.maxCost, user.cost)
		if user.cost < MinCost {
			c.log.Warn("a password hash is cheap to guess; make it anew with `htpasswd -B -C 12`",
				"file", c.file, "line", user.line, "user", name, "cost", user.cost, "least", MinCost)
		}
	}
}

func (c *Connector) indexGroups(t *table, groups map[string][]string) {
	for group, members := range groups {
		for _, member := range members {
			if _, known := t.users[member]; !known {
				c.log.Warn("a member of a group is not in the password file",
					"file", c.groupsFile, "group", group, "user", member)
				continue
			}
			t.groups[member] = append(t.groups[member], group)
		}
	}
	for member, list := range t.groups {
		t.groups[member] = identity.NormalizeGroups(list)
	}
}

func joinFaults(files ...*Faults) error {
	var errs []error
	for _, f := range files {
		if len(f.List) > 0 {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own setting
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is over %d MiB", path, maxFile>>20)
	}
	return data, nil
}
