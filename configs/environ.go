package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// EnvPrefix begins the name of every environment variable of Drawbridge.
const EnvPrefix = "DRAWBRIDGE_"

// EnvName returns the environment variable of a key: connectors.0.bind_dn is
// DRAWBRIDGE_CONNECTORS_0_BIND_DN.
func EnvName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// commandVariables are read by the commands themselves: where the file is, and
// how the commands that talk to a running server find and enter it.
func commandVariables() []string {
	return []string{"DRAWBRIDGE_CONFIG", "DRAWBRIDGE_SERVER", "DRAWBRIDGE_USERNAME", "DRAWBRIDGE_PASSWORD"}
}

// serviceLink matches the variables that Kubernetes puts into every container
// for a Service named drawbridge or drawbridge-something. They are not settings.
const serviceLink = `^DRAWBRIDGE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`

// applyEnv lays the environment over the tree. An empty variable counts as one
// that is not set, because `VAR: ${VAR:-}` in a compose file makes such ones. A
// variable with our prefix that is no setting is a fault: it is a setting that
// somebody believes to be in force.
func (r *reader) applyEnv(tree map[string]any, environ []string) {
	type target struct {
		path string
		field
	}
	targets := map[string]target{}
	r.schema.leaves("", lengths(tree), func(path string, f field) { targets[EnvName(path)] = target{path, f} })

	link := regexp.MustCompile(serviceLink)
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, EnvPrefix) || text == "" || slices.Contains(commandVariables(), name) {
			continue
		}
		t, ok := targets[name]
		if !ok {
			if !link.MatchString(name) {
				r.problems = append(r.problems, Problem{File: name, Message: unknownVariable(name, tree, targets)})
			}
			continue
		}
		r.place(t.path, place{file: name, env: true})
		value, err := fromText(t.kind, text)
		if err != nil {
			r.problems = append(r.problems, Problem{File: name, Key: t.path, Message: "must be " + t.kind.String()})
			continue
		}
		put(tree, t.path, value)
	}
}

// place notes where a key and the sections made for it were written.
func (r *reader) place(path string, at place) {
	r.places[path] = at
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		if _, known := r.places[path[:i]]; known {
			return
		}
		r.places[path[:i]] = at
	}
}

// unknownVariable says why a variable is no setting.
func unknownVariable[T any](name string, tree map[string]any, targets map[string]T) string {
	parts := strings.Split(strings.TrimPrefix(name, EnvPrefix), "_")
	list := strings.ToLower(parts[0])
	if entries, ok := tree[list].([]any); ok && len(parts) > 1 {
		if i, err := strconv.Atoi(parts[1]); err == nil && i >= len(entries) {
			return fmt.Sprintf("the file has %d %s and a variable changes only those, counted from 0; write the entry into the file",
				len(entries), list)
		}
	}
	names := make([]string, 0, len(targets))
	for known := range targets {
		names = append(names, known)
	}
	slices.Sort(names)
	if near, ok := closest(name, names); ok {
		return "there is no such setting; did you mean " + near + "?"
	}
	return "there is no such setting; docs/configuration.md lists the variables"
}

// lengths returns how many entries each list of the tree has.
func lengths(tree map[string]any) func(path string) int {
	return func(path string) int {
		list, _ := lookup(tree, path).([]any)
		return len(list)
	}
}
