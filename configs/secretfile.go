package configs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"drawbridge/identity"
)

// twinSuffix turns the key of a secret into the key of the file that holds it.
const twinSuffix = "_file"

// maxSecret bounds a secret file: anything longer is another file.
const maxSecret = 64 << 10

// readSecrets reads the file of every secret x that is given as x_file into x.
// Both at once is a fault, unless one is from the environment: that one wins, as
// the environment does for every key.
func (r *reader) readSecrets(tree map[string]any) {
	r.schema.leaves("", lengths(tree), func(path string, f field) {
		if f.kind != kindSecret {
			return
		}
		twin := path + twinSuffix
		secret, _ := lookup(tree, path).(identity.Secret)
		file, _ := lookup(tree, twin).(string)
		switch {
		case file == "":
			return
		case secret.Empty() || r.overrides(twin, path):
		case r.overrides(path, twin):
			remove(tree, twin)
			return
		default:
			r.faultAt(twin, "%s is set as well; keep one of the two", path)
			return
		}
		text, err := readSecret(file)
		if err != nil {
			r.faultAt(twin, "%v", err)
			return
		}
		put(tree, path, identity.NewSecret(text))
		r.places[path] = r.places[twin]
	})
}

// overrides reports whether one key is from the environment and the other is not.
func (r *reader) overrides(key, other string) bool {
	return r.places[key].env && !r.places[other].env
}

// readSecret reads a secret without the newline at its end. The file's mode is
// not looked at: container runtimes mount secrets readable for everybody in the
// container.
func readSecret(name string) (string, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("the secret file cannot be read: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("the secret file cannot be read: %w", err)
	case len(data) > maxSecret:
		return "", fmt.Errorf("the secret file %s has more than %d bytes; is it the right file?", name, maxSecret)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return "", errors.New("the secret file " + name + " is empty")
	}
	return text, nil
}
