//go:build !linux

package exec

import (
	"errors"
	"syscall"
	"time"
)

// pollEvery is how soon the end of a program is noticed.
const pollEvery = 5 * time.Millisecond

// waitable waits until the process has ended. Without waitid(2) it is asked for:
// a group whose leader is a zombie, and that has no other member, cannot be
// signalled.
func waitable(pid int) {
	for {
		if err := syscall.Kill(-pid, 0); errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) {
			return
		}
		time.Sleep(pollEvery)
	}
}
