package backup

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"filippo.io/age"
)

// maxEntry bounds what one entry takes in memory.
const maxEntry = 256 << 20

// visitor is given each entry of an archive but the first and the last.
type visitor func(m Manifest, f File) error

// Verify reads the whole archive and checks all of it.
func Verify(r io.Reader, identities ...age.Identity) (Manifest, Contents, error) {
	return read(r, identities, func(Manifest, File) error { return nil })
}

// read goes through the archive. What visit was given is not to be trusted before
// read has returned without an error.
func read(r io.Reader, identities []age.Identity, visit visitor) (Manifest, Contents, error) {
	plain, err := unseal(r, identities)
	if err != nil {
		return Manifest{}, Contents{}, err
	}
	packed, err := gzip.NewReader(plain)
	if err != nil {
		return Manifest{}, Contents{}, broken(err)
	}
	p := &reader{tar: tar.NewReader(packed), visit: visit, seen: Contents{Rows: map[string]int64{}}, names: map[string]bool{}}
	if err := p.run(); err != nil {
		return Manifest{}, Contents{}, err
	}
	// What follows the archive is part of the file: gzip's checksum and age's last
	// block are read here.
	rest, err := io.Copy(io.Discard, io.LimitReader(packed, maxEntry))
	if err == nil && rest < maxEntry {
		rest, err = io.Copy(io.Discard, plain)
	}
	if err == nil && rest > 0 {
		err = errors.New("something follows its end")
	}
	if err != nil {
		return Manifest{}, Contents{}, broken(err)
	}
	return p.manifest, p.seen, nil
}

// reader is an archive that is being read.
type reader struct {
	tar      *tar.Reader
	visit    visitor
	manifest Manifest
	seen     Contents
	names    map[string]bool
}

func (p *reader) run() error {
	for first := true; ; first = false {
		f, err := p.next()
		if err != nil {
			return err
		}
		switch {
		case first != (f.Name == manifestName):
			return errors.New("the archive does not begin with its manifest: this is no backup of Drawbridge")
		case first:
			if p.manifest, err = parseManifest(f.Content); err != nil {
				return err
			}
		case f.Name == contentsName:
			return p.compare(f.Content)
		default:
			if err := p.check(f); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			if err := p.visit(p.manifest, f); err != nil {
				return err
			}
		}
		p.seen.Entries = append(p.seen.Entries, Entry{f.Name, int64(len(f.Content)), sum(f.Content)})
	}
}

// next reads one entry. The end of the archive is never good: contents.json comes
// before it.
func (p *reader) next() (File, error) {
	h, err := p.tar.Next()
	if err != nil {
		return File{}, broken(err)
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxEntry {
		return File{}, fmt.Errorf("%q is no file of at most %d bytes", h.Name, maxEntry)
	}
	content, err := io.ReadAll(p.tar)
	if err != nil {
		return File{}, broken(err)
	}
	return File{Name: h.Name, Mode: h.Mode & 0o777, Content: content}, nil
}

// check refuses an entry that could not be restored.
func (p *reader) check(f File) error {
	clean := path.Clean(f.Name) == f.Name && !strings.Contains(f.Name, "\x00")
	again := p.names[f.Name]
	p.names[f.Name] = true
	if table, ok := tableOf(f.Name); ok && clean && !again {
		_, rows, err := parseRows(f.Content)
		p.seen.Rows[table] += int64(len(rows))
		return err
	}
	inside := strings.HasPrefix(f.Name, dataPrefix) && !reserved(strings.TrimPrefix(f.Name, dataPrefix))
	if !clean || again || !inside && !strings.HasPrefix(f.Name, externalPrefix+"/") {
		return errors.New("a backup has no such file")
	}
	return nil
}

// compare holds the list at the end against what was read.
func (p *reader) compare(list []byte) error {
	var want Contents
	if err := json.Unmarshal(list, &want); err != nil {
		return fmt.Errorf("read the list of contents: %w", err)
	}
	if !slices.Equal(want.Entries, p.seen.Entries) || !maps.Equal(want.Rows, p.seen.Rows) {
		return errors.New("the file was changed: what is in it is not what its list of contents says")
	}
	return nil
}
