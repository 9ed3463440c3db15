//go:build !linux

package htpasswd

// lowerPriority does nothing: elsewhere a priority is one of the whole process.
func lowerPriority() {}

// isMainThread is of no importance where no priority is changed.
func isMainThread() bool { return false }
