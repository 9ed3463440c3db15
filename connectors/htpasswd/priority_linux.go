package htpasswd

import (
	"os"
	"syscall"
)

// politeness is what is added to the nice value of a thread that checks a password.
// bcrypt is pure computation: at the same priority, a thread that wakes up for a
// request waits for the end of bcrypt's time slice, several milliseconds, on every
// processor that is not free. At 10 it goes first. More would let other programs of
// a busy machine keep the checks, and a garbage collection that waits for their
// threads, from running at all.
const politeness = 10

// lowerPriority lowers the priority of this thread. Where that is forbidden, checks
// are what they were without it.
func lowerPriority() {
	thread := syscall.Gettid()
	// The system call answers 20 minus the nice value, which so is never negative.
	if value, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, thread, min(19, 20-value+politeness))
	}
}

// isMainThread reports whether this thread is the one that the process began with.
func isMainThread() bool { return syscall.Gettid() == os.Getpid() }
