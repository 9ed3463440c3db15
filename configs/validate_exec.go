package configs

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// maxPoolSize bounds the processes of one exec connector.
const maxPoolSize = 64

func (c *check) exec(at string, e Exec) {
	c.command(join(at, "command"), e.Command)
	c.oneOf(join(at, "mode"), e.Mode, ExecPerLogin, ExecPooled)
	if e.PoolSize < 1 || e.PoolSize > maxPoolSize {
		c.fault(join(at, "pool_size"), "%d is not between 1 and %d", e.PoolSize, maxPoolSize)
	}
	for i, name := range e.Env {
		c.passedOn(index(join(at, "env"), i), name)
	}
}

// command checks the program, and not what it does: the check never runs it.
func (c *check) command(key string, command []string) {
	if len(command) == 0 || command[0] == "" {
		c.fault(key, "is required: the program, then its arguments, one list entry for each")
		return
	}
	for _, word := range command {
		if strings.ContainsRune(word, 0) {
			c.fault(key, "holds a NUL")
			return
		}
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		c.notProgram(key, command[0], err)
		return
	}
	info, err := os.Stat(program)
	if err != nil {
		c.unreadable(key, program, err)
		return
	}
	// Who can replace the program reads every password that is given to it.
	if info.Mode().Perm()&0o002 != 0 {
		c.fault(key, "anybody may write to %s, and so read passwords; chmod o-w it", program)
	}
}

func (c *check) notProgram(key, name string, err error) {
	switch {
	case strings.ContainsAny(name, " \t") && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound)):
		c.fault(key, "the program %q does not exist; no shell splits it, so each argument is a list entry of its own", name)
	case errors.Is(err, exec.ErrNotFound):
		c.fault(key, "the program %s is not in PATH; an absolute path is safer", name)
	case errors.Is(err, fs.ErrPermission):
		c.fault(key, "the program %s is not executable for this user; chmod +x it", name)
	default:
		c.unreadable(key, name, unwrapExec(err))
	}
}

// unwrapExec drops the layer that repeats the program's name.
func unwrapExec(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return err
}

// passedOn checks the name of an environment variable. Ours hold the secrets of
// the whole configuration, and are nothing for a program.
func (c *check) passedOn(key, name string) {
	switch ok, err := regexp.MatchString(`^[A-Za-z_][A-Za-z0-9_]*$`, name); {
	case err != nil || !ok:
		c.fault(key, "must be the name of a variable, whose value comes from Drawbridge's own environment")
	case strings.HasPrefix(name, EnvPrefix):
		c.fault(key, "%s is a setting of Drawbridge and not passed on", name)
	}
}
