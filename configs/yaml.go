package configs

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds the YAML nodes that one file may make us visit. Aliases and
// merge keys can multiply a small file into an endless one.
const maxNodes = 100_000

// place is where a value was written.
type place struct {
	file string // the file, or the environment variable's name
	line int    // 0 for a variable
	env  bool
}

// reader turns YAML into a tree that holds known keys with values of the right
// type, and notes every fault and every key's place on the way.
type reader struct {
	file     string
	schema   *section
	places   map[string]place
	problems Problems
	budget   int
	broken   bool // the text is no YAML, so that nothing can be said about its keys
}

func newReader(file string) *reader {
	return &reader{file: file, schema: schema(), places: map[string]place{}, budget: maxNodes}
}

func (r *reader) fault(line int, key, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
}

// read parses the text. A file without any content is an empty tree.
func (r *reader) read(text io.Reader) map[string]any {
	dec := yaml.NewDecoder(text)
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(err)
		}
		return map[string]any{}
	}
	if err := dec.Decode(&second); err == nil {
		r.fault(second.Line, "", "a second YAML document begins here; the configuration is one document")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	root := r.resolve(doc.Content[0])
	if root == nil || isNull(root) {
		return map[string]any{}
	}
	r.places[""] = place{file: r.file, line: root.Line}
	r.broken = r.broken || root.Kind != yaml.MappingNode
	return r.section(root, r.schema, "")
}

// syntax reports the parser's error with its line. The parser quotes one thing
// of the file, the name of an unknown anchor, which may well be a password that
// begins with a star.
func (r *reader) syntax(err error) {
	r.broken = true
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, text, _ := strings.Cut(rest, ":")
		if n, convErr := strconv.Atoi(number); convErr == nil {
			line, message = n, strings.TrimSpace(text)
		}
	}
	if strings.Contains(message, "anchor") {
		message = "a text that begins with * is a YAML alias, and this one is not defined; put a value that begins with * in quotes"
	}
	r.fault(line, "", "YAML syntax: %s", message)
}

// resolve follows an alias and counts the visit; nil when there were too many.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	r.budget--
	if r.budget < 0 {
		return nil
	}
	if r.budget == 0 {
		r.fault(n.Line, "", "the aliases of this file multiply to more than %d values", maxNodes)
	}
	return n
}

// section reads a mapping.
func (r *reader) section(n *yaml.Node, s *section, path string) map[string]any {
	tree := map[string]any{}
	if n.Kind != yaml.MappingNode {
		r.fault(n.Line, path, "%s", wrongKind(kindSection, n))
		return tree
	}
	for _, e := range r.entries(n, path) {
		at := join(path, e.name)
		f, known := s.find(e.name)
		if !known {
			r.fault(e.key.Line, at, "unknown key%s", hint(e.name, path, r.schema, s))
			continue
		}
		r.places[at] = place{file: r.file, line: e.key.Line}
		if value := r.value(e.key, e.value, f, at); value != nil {
			tree[e.name] = value
		}
	}
	return tree
}

// value reads what stands at a key; nil when it is absent or faulty.
func (r *reader) value(key, n *yaml.Node, f field, path string) any {
	if n = r.resolve(n); n == nil {
		return nil
	}
	// A section whose every line is commented out is a section left out.
	if isNull(n) && (f.kind == kindSection || f.kind == kindList || f.kind == kindStrings) {
		return nil
	}
	switch f.kind {
	case kindSection:
		return r.section(n, f.sub, path)
	case kindList, kindStrings:
		return r.sequence(key, n, f, path)
	default:
		return r.scalar(key, n, f, path)
	}
}

func (r *reader) scalar(key, n *yaml.Node, f field, path string) any {
	if n.Kind != yaml.ScalarNode {
		r.fault(key.Line, path, "%s", wrongKind(f.kind, n))
		return nil
	}
	value, err := fromScalar(f.kind, n)
	if err != nil {
		r.fault(key.Line, path, "%s", wrongKind(f.kind, n))
		return nil
	}
	return value
}

func (r *reader) sequence(key, n *yaml.Node, f field, path string) any {
	switch {
	case n.Kind != yaml.SequenceNode:
		r.fault(key.Line, path, "%s", wrongKind(f.kind, n))
		return nil
	case f.kind == kindStrings:
		return r.strings(n, path)
	}
	return r.list(n, f.sub, path)
}

// list reads a list of sections. A faulty entry stays as an empty one, so that
// the others keep their numbers.
func (r *reader) list(n *yaml.Node, s *section, path string) any {
	list := make([]any, 0, len(n.Content))
	for i, item := range n.Content {
		at := index(path, i)
		r.places[at] = place{file: r.file, line: item.Line}
		entry := map[string]any{}
		if item = r.resolve(item); item != nil {
			entry = r.section(item, s, at)
		}
		list = append(list, entry)
	}
	return list
}

func (r *reader) strings(n *yaml.Node, path string) any {
	list := make([]string, 0, len(n.Content))
	for i, item := range n.Content {
		at := index(path, i)
		r.places[at] = place{file: r.file, line: item.Line}
		line := item.Line
		if item = r.resolve(item); item == nil {
			break
		}
		if _, err := fromScalar(kindString, item); err != nil {
			r.fault(line, at, "%s", wrongKind(kindString, item))
			continue
		}
		list = append(list, item.Value)
	}
	return list
}
