package authz

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// BindingSpec is a binding as the document writes it, for a program that edits
// one. Whether it is a good one is for [Parse] and [Document.Compile] to say.
type BindingSpec struct {
	Name         string    `json:"name" yaml:"name" doc:"Unique; explain and audit refer to it."`
	Role         string    `json:"role" yaml:"role" example:"pusher"`
	Subjects     []string  `json:"subjects" yaml:"subjects,flow" doc:"user:CONNECTOR/NAME, group:CONNECTOR/NAME, robot:NAME, authenticated or anonymous."`
	Repositories []string  `json:"repositories,omitempty" yaml:"repositories,flow,omitempty" example:"[\"payments/**\"]"`
	Registries   []string  `json:"registries,omitempty" yaml:"registries,flow,omitempty" doc:"Services; absent: all of them."`
	Expires      time.Time `json:"expires,omitzero" yaml:"expires,omitempty"`
	Reason       string    `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// Spec returns the binding as the document writes it.
func (b *Binding) Spec() BindingSpec {
	s := BindingSpec{Name: b.Name, Role: b.Role.Name, Registries: b.Registries, Expires: b.Expires, Reason: b.Reason}
	for _, subject := range b.Subjects {
		s.Subjects = append(s.Subjects, subject.String())
	}
	for _, pattern := range b.Repositories {
		s.Repositories = append(s.Repositories, pattern.String())
	}
	return s
}

// SetBinding returns the document's text with the binding added, or put in the
// place of the one of that name. Everything else stays as it was written, with its
// comments, byte by byte. The text must be one that [Parse] accepts.
func SetBinding(text string, b BindingSpec) (string, error) { return editBindings(text, b.Name, &b) }

// RemoveBinding returns the document's text without the binding of that name, and
// the text as it is when there is none.
func RemoveBinding(text, name string) (string, error) { return editBindings(text, name, nil) }

func editBindings(text, name string, b *BindingSpec) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil || len(document.Content) == 0 {
		return "", fmt.Errorf("the policy in force cannot be edited: %w", err)
	}
	list := member(document.Content[0], "bindings")
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; last > 0 && lines[last] == "" {
		lines = lines[:last]
	}
	switch {
	case list == nil:
		return appendSection(text, b)
	case list.Style&yaml.FlowStyle != 0:
		return replaceFlowList(lines, list, name, b)
	}
	return spliceBlockList(lines, document.Content[0], list, name, b)
}

func member(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// appendSection is for a document that has no bindings yet.
func appendSection(text string, b *BindingSpec) (string, error) {
	if b == nil {
		return text, nil
	}
	item, err := b.item(2)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + "bindings:\n" + item, err
}

// replaceFlowList writes bindings: [...] as a block, where an item has lines of
// its own. What the brackets held is written anew.
func replaceFlowList(lines []string, list *yaml.Node, name string, b *BindingSpec) (string, error) {
	var items strings.Builder
	found := false
	for _, node := range list.Content {
		switch label := member(node, "name"); {
		case label == nil || label.Value != name:
			text, err := yaml.Marshal([]*yaml.Node{node})
			if err != nil {
				return "", err
			}
			items.WriteString(indented(string(text), 2))
		case b != nil:
			found = true
			text, err := b.item(2)
			if err != nil {
				return "", err
			}
			items.WriteString(text)
		}
	}
	if !found && b != nil {
		text, err := b.item(2)
		if err != nil {
			return "", err
		}
		items.WriteString(text)
	}
	start := list.Line - 1
	head, _, ok := strings.Cut(lines[start], "bindings:")
	if !ok || strings.TrimSpace(head) != "" {
		return "", fmt.Errorf("line %d: the list of bindings cannot be edited here; write each binding on lines of its own", list.Line)
	}
	section := "bindings:\n" + items.String()
	if items.Len() == 0 {
		section = "bindings: []\n"
	}
	return strings.Join(lines[:start], "") + section + strings.Join(lines[lastLine(list, lines):], ""), nil
}

// lastLine returns the number of the line on which a flow list ends.
func lastLine(list *yaml.Node, lines []string) int {
	end := list.Line
	deepest := func(n *yaml.Node) { end = max(end, n.Line) }
	walk(list, deepest)
	for end < len(lines) && !strings.Contains(lines[end-1], "]") {
		end++
	}
	return end
}

func walk(n *yaml.Node, visit func(*yaml.Node)) {
	visit(n)
	for _, child := range n.Content {
		walk(child, visit)
	}
}

// spliceBlockList exchanges the lines of one item.
func spliceBlockList(lines []string, root, list *yaml.Node, name string, b *BindingSpec) (string, error) {
	indent := len(lines[list.Content[0].Line-1]) - len(strings.TrimLeft(lines[list.Content[0].Line-1], " "))
	item := ""
	if b != nil {
		var err error
		if item, err = b.item(indent); err != nil {
			return "", err
		}
	}
	at := slices.IndexFunc(list.Content, func(n *yaml.Node) bool {
		label := member(n, "name")
		return label != nil && label.Value == name
	})
	if at < 0 && b == nil {
		return strings.Join(lines, ""), nil
	}
	start, end := 0, 0 // lines[start:end] are replaced
	if at < 0 {
		end = contentEnd(lines, endOfList(root, list, len(lines)))
		start = end
		if !strings.HasSuffix(lines[end-1], "\n") {
			lines[end-1] += "\n"
		}
	} else {
		start = list.Content[at].Line - 1
		after := endOfList(root, list, len(lines))
		if at+1 < len(list.Content) {
			after = list.Content[at+1].Line - 1
		}
		end = contentEnd(lines, after)
	}
	if b == nil && len(list.Content) == 1 {
		key := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "bindings:") })
		lines[key] = "bindings: []\n"
	}
	return strings.Join(lines[:start], "") + item + strings.Join(lines[end:], ""), nil
}

// endOfList returns the index of the first line after the list: that of the next
// section, or the end of the text.
func endOfList(root, list *yaml.Node, lines int) int {
	end := lines
	for i := 0; i+1 < len(root.Content); i += 2 {
		if key := root.Content[i]; key.Line > list.Line && key.Line-1 < end {
			end = key.Line - 1
		}
	}
	return end
}

// contentEnd goes back over empty lines and comments, which belong to what comes
// after them.
func contentEnd(lines []string, end int) int {
	for end > 0 {
		line := strings.TrimSpace(lines[end-1])
		if line != "" && !strings.HasPrefix(line, "#") {
			break
		}
		end--
	}
	return end
}

// item writes the binding as an item of a list.
func (b *BindingSpec) item(indent int) (string, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode([]*BindingSpec{b}); err != nil {
		return "", err
	}
	return indented(out.String(), indent), encoder.Close()
}

func indented(text string, indent int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.Repeat(" ", indent) + line)
	}
	return out.String()
}
