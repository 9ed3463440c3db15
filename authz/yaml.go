package authz

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxDocumentBytes is the largest policy document that Parse reads, enough for
// some 100,000 bindings.
const MaxDocumentBytes = 16 << 20

// reader walks a YAML tree and collects every fault it meets.
type reader struct {
	problems problemList
}

// value is a YAML node and the path to it.
type value struct {
	node *yaml.Node
	path string
}

func (v value) item(i int) value {
	return value{v.node.Content[i], v.path + "[" + strconv.Itoa(i) + "]"}
}

func (v value) member(key string, node *yaml.Node) value {
	if v.path == "" {
		return value{node, key}
	}
	return value{node, v.path + "." + key}
}

func (r *reader) fault(v value, format string, args ...any) {
	r.problems.add(v.node.Line, v.node.Column, v.path, format, args...)
}

// decodeTree returns the root of the only YAML document in data. Aliases are
// left as nodes and refused where they stand, so that a few lines cannot expand
// to gigabytes.
func (r *reader) decodeTree(data []byte) (value, bool) {
	if len(data) > MaxDocumentBytes {
		r.problems.add(0, 0, "", "the document has %d bytes; at most %d are read", len(data), MaxDocumentBytes)
		return value{}, false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF) || err == nil && document.IsZero():
		r.problems.add(0, 0, "", "the document is empty; write `bindings: []` for a policy that grants nothing")
		return value{}, false
	case err != nil:
		r.syntaxError(err)
		return value{}, false
	}
	if err := decoder.Decode(&next); err == nil {
		r.problems.add(max(next.Line, 1), 1, "", "a second YAML document begins here; a policy is one document, without ---")
		return value{}, false
	} else if !errors.Is(err, io.EOF) {
		r.syntaxError(err)
		return value{}, false
	}
	return value{node: document.Content[0]}, true
}

// syntaxError reports what the YAML parser says, whose text begins with
// "yaml: line N: " when it knows the line.
func (r *reader) syntaxError(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if n, scanErr := fmt.Sscanf(text, "line %d: ", &line); scanErr == nil && n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	r.problems.add(line, 0, "", "not YAML: %s", text)
}

// plain refuses what a policy document never needs: aliases, anchors and tags.
func (r *reader) plain(v value) bool {
	switch {
	case v.node.Kind == yaml.AliasNode:
		r.fault(v, "YAML aliases (*name) are not read; write the value out")
	case v.node.Anchor != "":
		r.fault(v, "YAML anchors (&name) are not read; write the value out")
	case v.node.Style&yaml.TaggedStyle != 0:
		r.fault(v, "YAML tags (%s) are not read; write the plain value", v.node.Tag)
	default:
		return true
	}
	return false
}

// kindName says what a node is, for people.
func kindName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty (leave the key out, or fill it)"
	case n.Tag == "!!str":
		return "a string"
	case n.Tag == "!!bool":
		return "a boolean"
	case n.Tag == "!!merge":
		return "a merge key"
	case n.Tag == "!!timestamp":
		return "a time"
	}
	return "a number"
}

// mapping calls handle for each key of a mapping. handle returns false for a
// key it does not know. Duplicate keys, which YAML parsers resolve silently in
// favour of one of them, are faults.
func (r *reader) mapping(v value, known []string, handle func(key string, v value)) bool {
	if !r.plain(v) {
		return false
	}
	if v.node.Kind != yaml.MappingNode {
		r.fault(v, "this is %s; write a mapping with the keys %s", kindName(v.node), quoteList(known))
		return false
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		keyNode := v.node.Content[i]
		keyAt := value{keyNode, v.path}
		key, ok := r.text(keyAt)
		if !ok {
			continue
		}
		if line, twice := seen[key]; twice {
			r.fault(keyAt, "the key %q stands twice; the first is in line %d", key, line)
			continue
		}
		seen[key] = keyNode.Line
		if len(known) > 0 && !containsString(known, key) {
			r.fault(keyAt, "unknown key %q; known are %s%s", key, quoteList(known), didYouMean(key, known))
			continue
		}
		handle(key, v.member(key, v.node.Content[i+1]))
	}
	return true
}

// list calls handle for each item of a list and returns how many there are.
func (r *reader) list(v value, what string, handle func(value)) int {
	if !r.plain(v) {
		return 0
	}
	if v.node.Kind != yaml.SequenceNode {
		r.fault(v, "this is %s; write a list of %s, as in [a, b]", kindName(v.node), what)
		return 0
	}
	for i := range v.node.Content {
		handle(v.item(i))
	}
	return len(v.node.Content)
}

// filledList is a list that may not be empty.
func (r *reader) filledList(v value, what string, handle func(value)) {
	if r.list(v, what, handle) == 0 && v.node.Kind == yaml.SequenceNode {
		r.fault(v, "the list is empty; write at least one of the %s, or remove the key where it is optional", what)
	}
}

// text returns a string scalar.
func (r *reader) text(v value) (string, bool) {
	if !r.plain(v) {
		return "", false
	}
	if v.node.Kind != yaml.ScalarNode || v.node.Tag != "!!str" {
		hint := ""
		if v.node.Kind == yaml.ScalarNode && v.node.Tag != "!!null" {
			hint = fmt.Sprintf("; put it in quotes if it is one: %q", v.node.Value)
		}
		r.fault(v, "this is %s; write a string%s", kindName(v.node), hint)
		return "", false
	}
	return v.node.Value, true
}

// label returns a string for people and messages: a name, a reason.
func (r *reader) label(v value) string {
	text, ok := r.text(v)
	if !ok {
		return ""
	}
	if err := checkName(text); err != nil {
		r.fault(v, "%v", err)
		return ""
	}
	return text
}
