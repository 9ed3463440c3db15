package configs

import (
	"maps"
	"strconv"
	"strings"
)

// A tree is a file as nested map[string]any and []any with values of the
// schema's own types at its leaves. A path is its keys joined with dots.

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return join(path, strconv.Itoa(i)) }

// lookup returns what is at the path, nil when there is nothing.
func lookup(tree map[string]any, path string) any {
	var at any = tree
	for step := range strings.SplitSeq(path, ".") {
		switch node := at.(type) {
		case map[string]any:
			at = node[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(node) {
				return nil
			}
			at = node[i]
		default:
			return nil
		}
	}
	return at
}

// put sets the value at the path and makes the sections on the way. List entries
// must exist.
func put(tree map[string]any, path string, value any) {
	parent, key := tree, path
	for {
		head, rest, deeper := strings.Cut(key, ".")
		if !deeper {
			parent[key] = value
			return
		}
		switch node := parent[head].(type) {
		case []any:
			number, inner, _ := strings.Cut(rest, ".")
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= len(node) {
				return
			}
			entry, ok := node[i].(map[string]any)
			if !ok {
				return
			}
			parent, key = entry, inner
		case map[string]any:
			parent, key = node, rest
		default:
			section := map[string]any{}
			parent[head] = section
			parent, key = section, rest
		}
	}
}

// remove drops the value at the path.
func remove(tree map[string]any, path string) {
	parent, key := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent, key = path[:i], path[i+1:]
	}
	node := any(tree)
	if parent != "" {
		node = lookup(tree, parent)
	}
	if section, ok := node.(map[string]any); ok {
		delete(section, key)
	}
}

// fill adds what is absent from the tree and present in the defaults.
func fill(tree, defaults map[string]any) {
	for key, value := range defaults {
		have, ok := tree[key]
		if !ok {
			if section, is := value.(map[string]any); is {
				value = maps.Clone(section)
			}
			tree[key] = value
			continue
		}
		section, isSection := have.(map[string]any)
		inner, hasInner := value.(map[string]any)
		if isSection && hasInner {
			fill(section, inner)
		}
	}
}
