package configs

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"drawbridge/identity"
)

// kind is what a key's value may be.
type kind uint8

const (
	kindSection  kind = iota + 1 // a mapping with keys of its own
	kindList                     // a list of such mappings
	kindStrings                  // a list of strings
	kindString                   // text
	kindSecret                   // text that is never printed
	kindBool                     // true or false
	kindInt                      // a whole number
	kindFloat                    // a number
	kindDuration                 // 5m, 720h
)

// String names the kind in messages.
func (k kind) String() string {
	switch k {
	case kindSection:
		return "a section of keys"
	case kindList:
		return "a list of sections"
	case kindStrings:
		return "a list of strings"
	case kindString, kindSecret:
		return "a string"
	case kindBool:
		return "true or false"
	case kindInt:
		return "a whole number"
	case kindFloat:
		return "a number"
	case kindDuration:
		return "a duration such as 30s, 5m or 720h"
	}
	return "unknown"
}

// field is one key of a section.
type field struct {
	key  string
	kind kind
	sub  *section // the keys of a kindSection, and of each entry of a kindList
	only []string // the connector types that have the key; nil: all
}

// section is the keys of one mapping, in the order of the struct.
type section struct{ fields []field }

// schema derives the keys from the struct, so that there is no second list of
// them to forget.
func schema() *section { return sectionOf(reflect.TypeFor[Config](), nil) }

func sectionOf(t reflect.Type, only []string) *section {
	s := &section{}
	for f := range t.Fields() {
		key, squash := tagOf(f)
		types := only
		if tag := f.Tag.Get("only"); tag != "" {
			types = strings.Split(tag, ",")
		}
		switch {
		case squash:
			for _, inner := range sectionOf(f.Type, types).fields {
				s.add(inner)
			}
		case key != "-":
			s.add(fieldOf(key, f.Type, types))
		}
	}
	return s
}

// tagOf reads the mapstructure tag: the key, or that the struct's own keys stand
// in its place.
func tagOf(f reflect.StructField) (key string, squash bool) {
	key, option, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
	return key, option == "squash"
}

func fieldOf(key string, t reflect.Type, only []string) field {
	f := field{key: key, only: only}
	switch {
	case t == reflect.TypeFor[identity.Secret]():
		f.kind = kindSecret
	case t == reflect.TypeFor[time.Duration]():
		f.kind = kindDuration
	case t == reflect.TypeFor[[]string]():
		f.kind = kindStrings
	case t.Kind() == reflect.Slice:
		f.kind, f.sub = kindList, sectionOf(t.Elem(), nil)
	case t.Kind() == reflect.Struct:
		f.kind, f.sub = kindSection, sectionOf(t, nil)
	case t.Kind() == reflect.Bool:
		f.kind = kindBool
	case t.Kind() == reflect.Int:
		f.kind = kindInt
	case t.Kind() == reflect.Float64:
		f.kind = kindFloat
	default:
		f.kind = kindString
	}
	return f
}

// add appends the field. Two types may share a key, as ldap and oidc share
// insecure: it then belongs to both.
func (s *section) add(f field) {
	for i := range s.fields {
		if s.fields[i].key == f.key {
			s.fields[i].only = slices.Concat(s.fields[i].only, f.only)
			return
		}
	}
	s.fields = append(s.fields, f)
}

func (s *section) find(key string) (field, bool) {
	for _, f := range s.fields {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

// leaves calls visit for each key that holds a value. length says how many
// entries the list at a path has.
func (s *section) leaves(path string, length func(path string) int, visit func(path string, f field)) {
	for _, f := range s.fields {
		at := join(path, f.key)
		switch f.kind {
		case kindSection:
			f.sub.leaves(at, length, visit)
		case kindList:
			for i := range length(at) {
				f.sub.leaves(index(at, i), length, visit)
			}
		default:
			visit(at, f)
		}
	}
}

// settings returns a struct's values as the tree that the YAML pass makes of a
// file. Zero values are left out: they are what an absent key means anyway.
func settings(v reflect.Value) map[string]any {
	tree := map[string]any{}
	for f, value := range v.Fields() {
		key, squash := tagOf(f)
		if key == "-" || value.IsZero() {
			continue
		}
		switch {
		case squash:
			for k, inner := range settings(value) {
				tree[k] = inner
			}
		case value.Kind() == reflect.Struct && value.Type() != reflect.TypeFor[identity.Secret]():
			tree[key] = settings(value)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			list := make([]any, value.Len())
			for i := range list {
				list[i] = settings(value.Index(i))
			}
			tree[key] = list
		default:
			tree[key] = value.Interface()
		}
	}
	return tree
}
