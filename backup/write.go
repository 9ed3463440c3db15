package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"drawbridge/store"

	"filippo.io/age"
)

// Source is what is backed up.
type Source struct {
	// Manifest is what is known beforehand.
	Manifest Manifest
	// DataDir is the data directory, and Files those of its regular files that have
	// been read already.
	Files []File
	// Rows is the state of the store.
	Rows Rows
}

// File is a file that has been read.
type File struct {
	// Name is the entry's.
	Name    string
	Mode    int64
	Content []byte
}

// Rows are the store's: a [store.Snapshot].
type Rows interface {
	Each(ctx context.Context, t store.Table, row func(columns []string, values []any) error) error
}

// Write writes the encrypted archive and returns what is in it.
func Write(ctx context.Context, w io.Writer, src Source, to ...age.Recipient) (Contents, error) {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return Contents{}, err
	}
	packed := gzip.NewWriter(sealed)
	a := &archive{tar: tar.NewWriter(packed), at: src.Manifest.MadeAt, contents: Contents{Rows: map[string]int64{}}}
	if err := a.fill(ctx, src); err != nil {
		return Contents{}, err
	}
	// The order matters: each ends what the next one has to hold.
	return a.contents, errors.Join(a.tar.Close(), packed.Close(), sealed.Close())
}

// archive is one that is being written.
type archive struct {
	tar      *tar.Writer
	at       time.Time
	contents Contents
}

func (a *archive) fill(ctx context.Context, src Source) error {
	src.Manifest.Format = format
	if err := a.addJSON(manifestName, src.Manifest); err != nil {
		return err
	}
	for _, f := range src.Files {
		if err := a.add(f); err != nil {
			return err
		}
	}
	for _, t := range store.Tables() {
		if err := a.addTable(ctx, src.Rows, t); err != nil {
			return err
		}
	}
	return a.addJSON(contentsName, a.contents)
}

func (a *archive) addJSON(name string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return a.add(File{Name: name, Mode: 0o600, Content: content})
}

func (a *archive) add(f File) error {
	err := a.tar.WriteHeader(&tar.Header{
		Name: f.Name, Mode: f.Mode, Size: int64(len(f.Content)), ModTime: a.at, Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	})
	if err != nil {
		return err
	}
	if _, err := a.tar.Write(f.Content); err != nil {
		return err
	}
	a.contents.Entries = append(a.contents.Entries, Entry{f.Name, int64(len(f.Content)), sum(f.Content)})
	return nil
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}
