package configs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// embeddedName is the place of faults when there is no file.
const embeddedName = "embedded default"

// Load reads the file at path, lays the environment over it (environ as
// [os.Environ] returns it), reads the secrets that are given as files, adds the
// defaults and validates the result. Without a path the file's place is taken by
// the embedded default.
//
// The error is [Problems]: every fault that was found, sorted by line. There is
// no Config then.
func Load(path string, environ []string) (*Config, error) {
	r := newReader(path)
	var tree map[string]any
	if path == "" {
		r.file = embeddedName
		tree = settings(reflect.ValueOf(*embeddedFile()))
	} else {
		text, err := readFile(path)
		if err != nil {
			return nil, Problems{{File: path, Message: err.Error()}}
		}
		tree = r.read(bytes.NewReader(text))
	}
	r.applyEnv(tree, environ)
	r.checkTypes(tree)
	r.readSecrets(tree)
	fillDefaults(tree)
	cfg, err := decode(tree)
	if err != nil {
		// The tree has only known keys of the right types, so this is a fault of
		// the schema. The decoder quotes values, so its error is not passed on.
		r.fault(0, "", "the settings do not fit the program's own structure; please report this")
		return nil, r.problems.sorted(r.file)
	}
	cfg.Embedded = path == ""
	cfg.derive()
	r.validate(cfg)
	if len(r.problems) > 0 {
		return nil, r.problems.sorted(r.file)
	}
	return cfg, nil
}

// readFile reads the whole file, within bounds.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the configuration has more than %d bytes", maxFile)
	}
	return text, nil
}

// decode lays the tree over the defaults and reads both into the struct.
func decode(tree map[string]any) (*Config, error) {
	v := viper.New()
	for key, value := range settings(reflect.ValueOf(*baseDefaults())) {
		v.SetDefault(key, value)
	}
	if err := v.MergeConfigMap(tree); err != nil {
		return nil, fmt.Errorf("merge the settings: %w", err)
	}
	cfg := &Config{}
	// The values already have the struct's types: no hook converts anything, and
	// a value of another type is an error.
	strict := func(c *mapstructure.DecoderConfig) { c.WeaklyTypedInput, c.DecodeHook = false, nil }
	if err := v.UnmarshalExact(cfg, strict); err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return cfg, nil
}

// checkTypes reports the keys of a connector that belong to another type.
func (r *reader) checkTypes(tree map[string]any) {
	connectors, _ := r.schema.find("connectors")
	eachEntry(tree, "connectors", func(path string, entry map[string]any) {
		typ, _ := entry["type"].(string)
		if !slices.Contains(connectorTypes(), typ) {
			return
		}
		for _, f := range connectors.sub.fields {
			if _, set := entry[f.key]; !set || f.only == nil || slices.Contains(f.only, typ) {
				continue
			}
			r.faultAt(join(path, f.key), "is a key of %s connectors, and this one is of type %s",
				strings.Join(f.only, " and "), typ)
			// What validation would say about it only repeats this.
			delete(entry, f.key)
		}
	})
}

// validate adds what [Config.Validate] finds, with the places.
func (r *reader) validate(cfg *Config) {
	if r.broken {
		return
	}
	known := slices.Clone(r.problems)
	for _, p := range cfg.Validate() {
		if _, written := r.places[p.Key]; !known.covers(p.Key, written) {
			r.faultAt(p.Key, "%s", p.Message)
		}
	}
}

// faultAt reports a fault of a key at the place where it, or else the nearest
// section around it, was written.
func (r *reader) faultAt(key, format string, args ...any) {
	p := Problem{File: r.file, Key: key, Message: fmt.Sprintf(format, args...)}
	for path := key; ; {
		if at, ok := r.places[path]; ok {
			p.File, p.Line = at.file, at.line
			break
		}
		i := strings.LastIndexByte(path, '.')
		if path == "" {
			break
		}
		path = path[:max(i, 0)]
	}
	r.problems = append(r.problems, p)
}
