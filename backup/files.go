package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drawbridge/store"
	"drawbridge/tokens"
)

// largestFile is what a file of data_dir may have. Nothing of ours comes near it.
const largestFile = 64 << 20

// reserved are the names in data_dir, with slashes, that no backup holds: the
// database, which is exported row by row, and the folder of a restore.
func reserved(name string) bool {
	return strings.HasPrefix(name, store.SQLiteName) || strings.HasPrefix(name, Marker) || !filepath.IsLocal(name)
}

// ReadDataDir reads what data_dir holds beside the database. Files that are named
// in without stay out, as do those that are no regular files.
func ReadDataDir(dir string, without ...string) (files []File, skipped []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil // it went while we looked
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case name == ".", e.IsDir() && !reserved(name): // to be walked
			return nil
		case e.IsDir():
			return fs.SkipDir
		case reserved(name), tokens.Passing(e.Name()):
			return nil
		case slices.ContainsFunc(without, func(other string) bool { return same(other, path) }):
			skipped = append(skipped, path+": the audit log, whose events are in the store")
			return nil
		case !e.Type().IsRegular():
			skipped = append(skipped, path+": it is no regular file")
			return nil
		}
		f, why, err := readFile(dataPrefix+name, path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it went while we looked
		case err != nil:
			return err
		case why != "":
			skipped = append(skipped, path+": "+why)
		default:
			files = append(files, f)
		}
		return nil
	})
	return files, skipped, err
}

// readFile reads a file, or says why it is left out.
func readFile(name, path string) (f File, why string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return File{}, "", err
	}
	if info.Size() > largestFile {
		return File{}, fmt.Sprintf("it has more than %d MiB", largestFile>>20), nil
	}
	content, err := os.ReadFile(path) // #nosec G304 -- a file of the installation
	return File{Name: name, Mode: int64(info.Mode().Perm()), Content: content}, "", err
}

// ReadExternal reads the files that are to be included, and notes it in the list.
func ReadExternal(list []External) (files []File, err error) {
	for i := range list {
		f, why, err := readFile(externalPrefix+filepath.ToSlash(list[i].Path), list[i].Path)
		if err == nil && why != "" {
			err = fmt.Errorf("%s: %s", list[i].Path, why)
		}
		if err != nil {
			return nil, fmt.Errorf("--include-external: %s: %w", list[i].Key, err)
		}
		list[i].Included = true
		// Two settings may name one file.
		if !slices.ContainsFunc(files, func(other File) bool { return other.Name == f.Name }) {
			files = append(files, f)
		}
	}
	return files, nil
}

// same reports whether two paths lead to one file.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
