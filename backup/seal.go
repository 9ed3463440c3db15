package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"filippo.io/age"
)

const (
	// shortestPassphrase keeps out what can be tried: the file may lie where anybody
	// can read it.
	shortestPassphrase = 16
	// workFactor makes scrypt take 64 MiB. age's own default takes 256 MiB, which a
	// small container does not have.
	workFactor = 16
)

// Passphrase reads the passphrase file: the whole content, without the line's end.
func Passphrase(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("--passphrase-file: %w", err)
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o007 != 0 {
		return "", fmt.Errorf("--passphrase-file: %s has mode %04o, open to every user of the host: run chmod 600", path, mode.Perm())
	}
	content, err := os.ReadFile(path) // #nosec G304 -- the operator's choice
	if err != nil {
		return "", fmt.Errorf("--passphrase-file: %w", err)
	}
	phrase := string(bytes.TrimRight(content, "\r\n"))
	if len(phrase) < shortestPassphrase {
		return "", fmt.Errorf("--passphrase-file: %s holds fewer than %d characters; make one with `openssl rand -base64 32`", path, shortestPassphrase)
	}
	return phrase, nil
}

// ForPassphrase is the recipient that knows the passphrase.
func ForPassphrase(phrase string) (age.Recipient, error) {
	r, err := age.NewScryptRecipient(phrase)
	if err != nil {
		return nil, fmt.Errorf("the passphrase: %w", err)
	}
	r.SetWorkFactor(workFactor)
	return r, nil
}

// ByPassphrase is the identity that knows the passphrase.
func ByPassphrase(phrase string) (age.Identity, error) {
	i, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return nil, fmt.Errorf("the passphrase: %w", err)
	}
	return i, nil
}

// ByIdentities reads an identity file, as age-keygen writes it.
func ByIdentities(path string) ([]age.Identity, error) {
	content, err := os.ReadFile(path) // #nosec G304 -- the operator's choice
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	found, err := age.ParseIdentities(bytes.NewReader(content))
	if err != nil {
		// The library quotes nothing of the file but the number of the line.
		return nil, fmt.Errorf("--identity: %s is no file of age identities (age-keygen makes one)", path)
	}
	return found, nil
}

// errTruncated is for a file that ends before its end.
var errTruncated = errors.New("the file ends before its end: it was cut off")

// unseal decrypts, and says in words what is wrong.
func unseal(r io.Reader, identities []age.Identity) (io.Reader, error) {
	plain, err := age.Decrypt(r, identities...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, errors.New("the passphrase or identity does not open this file")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, errTruncated
	case err != nil:
		return nil, fmt.Errorf("this is no backup, or it was changed: %w", err)
	}
	return plain, nil
}

// broken tells a file that was cut off or changed from a disk that does not read.
func broken(err error) error {
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errTruncated
	}
	return fmt.Errorf("the file was changed or cut off: %w", err)
}
