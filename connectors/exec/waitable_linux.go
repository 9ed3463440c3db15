package exec

import (
	"errors"
	"syscall"
)

// waitable waits until the process has ended and leaves it a zombie, whose ID no
// other process can get: so its group can be killed without a chance to hit
// somebody else's.
func waitable(pid int) {
	const idIsPID = 1 // P_PID of waitid(2)
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idIsPID, uintptr(pid), 0, syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if !errors.Is(errno, syscall.EINTR) {
			return
		}
	}
}
