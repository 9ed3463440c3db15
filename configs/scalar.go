package configs

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"drawbridge/identity"

	"go.yaml.in/yaml/v3"
)

// errKind is the fault of a text that is not of the wanted kind. It does not
// quote the text, which may be a secret in the wrong place.
var errKind = errors.New("wrong kind")

// fromText reads a value as an environment variable has it: lists of strings are
// separated by commas.
func fromText(k kind, text string) (any, error) {
	switch k {
	case kindString:
		return text, nil
	case kindSecret:
		return identity.NewSecret(text), nil
	case kindBool:
		return orKind(strconv.ParseBool(text))
	case kindInt:
		return orKind(strconv.Atoi(text))
	case kindFloat:
		return orKind(strconv.ParseFloat(text, 64))
	case kindDuration:
		return orKind(time.ParseDuration(text))
	case kindStrings:
		list := []string{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list, nil
	case kindSection, kindList:
	}
	return nil, errKind
}

func orKind[T any](value T, err error) (any, error) {
	if err != nil {
		return nil, errKind
	}
	return value, nil
}

// fromScalar reads a YAML scalar. YAML decides what a plain text is, so 5000 is a
// number and no string until it stands in quotes; guessing here is how the
// password 0123 becomes 83 elsewhere.
func fromScalar(k kind, n *yaml.Node) (any, error) {
	tag := n.ShortTag()
	switch k {
	case kindBool:
		if tag == "!!bool" {
			return decodeScalar[bool](n)
		}
	case kindInt:
		if tag == "!!int" {
			return decodeScalar[int](n)
		}
	case kindFloat:
		if tag == "!!int" || tag == "!!float" {
			return decodeScalar[float64](n)
		}
	case kindDuration:
		if tag == "!!str" || n.Value == "0" {
			return fromText(k, n.Value)
		}
	case kindString, kindSecret:
		if tag == "!!str" {
			return fromText(k, n.Value)
		}
	case kindSection, kindList, kindStrings:
	}
	return nil, errKind
}

func decodeScalar[T any](n *yaml.Node) (any, error) {
	var value T
	err := n.Decode(&value)
	return orKind(value, err)
}

// wrongKind says what a node is instead of what it must be, never its text.
func wrongKind(want kind, n *yaml.Node) string {
	is := "a string"
	switch {
	case n.Kind == yaml.MappingNode:
		is = "a section of keys"
	case n.Kind == yaml.SequenceNode:
		is = "a list"
	case n.Kind != yaml.ScalarNode:
		is = "something else"
	default:
		switch n.ShortTag() {
		case "!!int", "!!float":
			is = "a number"
		case "!!bool":
			is = "true or false"
		case "!!null":
			return "has no value; it must be " + want.String() + ", or the line is left out"
		case "!!timestamp":
			is = "a date"
		case "!!str":
		default:
			is = "a value with a YAML tag"
		}
	}
	message := "must be " + want.String()
	if is != want.String() {
		message += ", not " + is
	}
	if n.Kind == yaml.ScalarNode && is != "a string" && (want == kindString || want == kindSecret) {
		message += "; put it in quotes"
	}
	return message
}
