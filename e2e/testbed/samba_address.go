package testbed

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// claimAddress returns a loopback address on which the ports of Active Directory
// are free, and keeps other tests, of this and of other processes, from taking
// the same one until the test ends.
func claimAddress(t testing.TB) string {
	t.Helper()
	for n := 53; n < 250; n++ {
		address := fmt.Sprintf("127.0.0.%d", n)
		unlock, err := lockFile(filepath.Join(os.TempDir(), "drawbridge-samba-"+address+".lock"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue // somebody else's
		}
		if portsFree(t, address) {
			t.Cleanup(func() { _ = unlock() })
			return address
		}
		_ = unlock()
	}
	t.Fatal("no loopback address has the ports of Active Directory free")
	return ""
}

// portsFree reports whether LDAP, LDAPS and both global catalogs can listen.
func portsFree(t testing.TB, address string) bool {
	t.Helper()
	for _, port := range []string{"389", "636", "3268", "3269"} {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// lockFile takes the lock of a file, which also ends with the process, and
// returns what gives it back.
func lockFile(path string, how int) (unlock func() error, err error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- a name of ours
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), how); err != nil { // #nosec G115 -- a file descriptor is small
		_ = lock.Close()
		return nil, err
	}
	return lock.Close, nil
}

// trustAnything is for the test bed's own connections to servers it has started.
func trustAnything() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true} // #nosec G402 -- not the product's connections
}
