package htpasswd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/bcrypt"

	"drawbridge/identity"
)

const (
	maxPassword   = 72 // bytes; bcrypt ignores what comes after
	adminCost     = 12
	adminPassword = 24 // characters, of which each holds 5.8 bits
)

// Hash returns the bcrypt hash of a password, as a line of the file holds it
// behind the colon. It refuses an empty password, one over 72 bytes and a cost
// outside [MinCost] to [MaxCost].
func Hash(password identity.Secret, cost int) (string, error) {
	switch n := len(password.Reveal()); {
	case n == 0:
		return "", errors.New("the password is empty")
	case n > maxPassword:
		return "", fmt.Errorf("the password has %d bytes; bcrypt reads no more than %d", n, maxPassword)
	}
	if cost < MinCost || cost > MaxCost {
		return "", fmt.Errorf("the bcrypt cost %d is not between %d and %d", cost, MinCost, MaxCost)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password.Reveal()), cost)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	return string(hash), nil
}

// CreateAdmin makes a password file that holds one user with a random password
// and returns that password, which is stored nowhere else: the caller shows it
// once. The file has mode 0600 and appears complete or not at all. An existing
// file is never replaced; the error is then [fs.ErrExist].
func CreateAdmin(path, user string, random io.Reader) (password string, err error) {
	if err := checkName(user); err != nil {
		return "", fmt.Errorf("the username %w", err)
	}
	// Asked first, so that the usual start does not pay for a hash; the link
	// below is what decides.
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("create %s: %w", path, fs.ErrExist)
	}
	if password, err = randomPassword(random); err != nil {
		return "", err
	}
	hash, err := Hash(identity.NewSecret(password), adminCost)
	if err != nil {
		return "", err
	}
	if err := writeNew(path, []byte(user+":"+hash+"\n")); err != nil {
		return "", fmt.Errorf("create %s: %w", path, err)
	}
	return password, nil
}

// randomPassword draws characters that cannot be mistaken for one another. A
// byte beyond the last whole multiple of the alphabet is drawn again, else its
// first characters would be likelier.
func randomPassword(random io.Reader) (string, error) {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
	const limit = 256 - 256%len(alphabet)
	password := make([]byte, 0, adminPassword)
	var draw [1]byte
	for len(password) < adminPassword {
		if _, err := io.ReadFull(random, draw[:]); err != nil {
			return "", fmt.Errorf("draw a random password: %w", err)
		}
		if int(draw[0]) < limit {
			password = append(password, alphabet[int(draw[0])%len(alphabet)])
		}
	}
	return string(password), nil
}

// writeNew writes a temporary file beside path and gives it that name, which
// fails if the name is taken: a crash leaves either no file or a whole one.
func writeNew(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".htpasswd-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// rename moves from to a name that is free. A hard link does both in one step;
// file systems without links (SMB shares) get a check and a rename.
func rename(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of the operator's own file
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
