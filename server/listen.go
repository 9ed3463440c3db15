package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// What an address begins with that is no host:port.
const (
	UnixPrefix    = "unix:"    // and then the path of a socket
	SystemdPrefix = "systemd:" // and then the name of a socket that systemd opened
)

// socketMode lets the owner and the group connect: a proxy on the same machine.
const socketMode = 0o660

// Listeners opens listeners. One of it is for the whole process, since what systemd
// passed can be taken over once. The zero value is ready.
type Listeners struct {
	passed map[string]net.Listener // nil: not looked yet
}

// Listen opens a listener and turns the usual mistakes into advice; key is the
// setting that addr comes from. addr is host:port, unix:PATH or systemd:NAME.
func (ls *Listeners) Listen(ctx context.Context, key, addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, UnixPrefix); ok {
		return listenUnix(ctx, key, path)
	}
	if name, ok := strings.CutPrefix(addr, SystemdPrefix); ok {
		return ls.listenSystemd(key, name)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %q (is another server running there? set %s to a free host:port): %w",
			key, addr, key, err)
	}
	return l, nil
}

// listenUnix takes the place of a socket that a killed server left, and of nothing
// else.
func listenUnix(ctx context.Context, key, path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s: %s is there and is no socket; name another path", key, path)
	case err == nil:
		var dialer net.Dialer
		conn, dialErr := dialer.DialContext(ctx, "unix", path)
		if dialErr == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: another server answers on %s", key, path)
		}
		if errors.Is(dialErr, syscall.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on the socket %s (its directory must exist and be writable): %w", key, path, err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", key, err), l.Close())
	}
	return l, nil
}

// listenSystemd takes a socket that systemd opened (systemd.socket(5),
// FileDescriptorName=).
func (ls *Listeners) listenSystemd(key, name string) (net.Listener, error) {
	if ls.passed == nil {
		if err := ls.takeOver(); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	if l := ls.passed[name]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("%s: systemd passed no socket named %q, but %q (FileDescriptorName= of the socket unit; "+
		"the server must be started by its service unit)", key, name, slices.Sorted(maps.Keys(ls.passed)))
}

// takeOver takes what was passed to this process (sd_listen_fds(3)).
func (ls *Listeners) takeOver() error {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return err
	}
	ls.passed = map[string]net.Listener{}
	for name, list := range named {
		for _, l := range list {
			if l != nil && ls.passed[name] == nil {
				ls.passed[name] = l
			}
		}
	}
	return nil
}
