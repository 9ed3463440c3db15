package configs

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is one key of a mapping with its value.
type entry struct {
	key   *yaml.Node
	name  string
	value *yaml.Node
}

// entries returns the keys of a mapping, those of its merge keys last, and
// reports keys that are there twice.
func (r *reader) entries(n *yaml.Node, path string) []entry {
	var own, merged []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		resolved := r.resolve(key)
		switch {
		case resolved == nil:
			return own
		case key.ShortTag() == "!!merge":
			merged = append(merged, r.merge(value, path)...)
			continue
		case resolved.Kind != yaml.ScalarNode || !isWord(resolved.Value):
			r.fault(key.Line, path, "a key here is not a plain word of letters, digits and underscores")
			continue
		}
		name := resolved.Value
		if first, twice := seen[name]; twice {
			r.fault(key.Line, join(path, name), "the key is here twice; the first is on line %d", first)
			continue
		}
		seen[name] = key.Line
		own = append(own, entry{key, name, value})
	}
	for _, e := range merged {
		if _, ok := seen[e.name]; !ok {
			seen[e.name] = e.key.Line
			own = append(own, e)
		}
	}
	return own
}

// merge returns the keys that a `<<` brings in.
func (r *reader) merge(n *yaml.Node, path string) []entry {
	line := n.Line
	if n = r.resolve(n); n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return r.entries(n, path)
	case yaml.SequenceNode:
		var all []entry
		for _, item := range n.Content {
			all = append(all, r.merge(item, path)...)
		}
		return all
	default:
		r.fault(line, path, "<< merges sections only")
		return nil
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// isWord reports whether a key may be printed: anything stranger may be a secret
// that a missing space or quote has turned into a key.
func isWord(key string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	return key != "" && len(key) <= 64 && strings.Trim(key, letters) == ""
}
