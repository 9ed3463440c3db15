package tokens

import (
	"context"
	"strings"
)

// Hold keeps every process that shares the key directory from making or rotating a
// key while f runs. A backup reads the files in it, and begins its snapshot of the
// store, so that the store knows each key of the files.
func Hold(ctx context.Context, dir string, f func() error) error {
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	return f()
}

// Passing reports whether a file of the key directory means nothing to a backup: the
// lock, and what a killed writer left.
func Passing(name string) bool { return name == lockName || strings.HasPrefix(name, tempPrefix) }
