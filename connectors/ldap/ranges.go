package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	ldap3 "github.com/go-ldap/ldap/v3"
)

// errRanged wraps what is wrong with an attribute that comes in parts: a part of
// the groups is no answer.
var errRanged = errors.New("the directory returns memberOf in ranges that do not fit together")

// valueRange is the option of an attribute that comes in parts, such as
// memberOf;range=0-1499 (MS-ADTS section 3.1.1.3.1.3.3). The part that ends the
// list has * for its end.
type valueRange struct {
	first, last int
	final       bool
}

// parseRange reads the range option of the attribute's name. ok is false where
// the name is another attribute's or has no such option; an option that cannot be
// read is an error.
func parseRange(name, attr string) (r valueRange, ok bool, err error) {
	base, options, _ := strings.Cut(name, ";")
	if !strings.EqualFold(base, attr) {
		return r, false, nil
	}
	for option := range strings.SplitSeq(options, ";") {
		key, value, _ := strings.Cut(option, "=")
		if !strings.EqualFold(key, "range") {
			continue
		}
		first, last, _ := strings.Cut(value, "-")
		if r.first, err = index(first); err != nil {
			return r, false, err
		}
		if r.final = last == "*"; r.final {
			return r, true, nil
		}
		if r.last, err = index(last); err != nil || r.last < r.first {
			return r, false, fmt.Errorf("%w: %q", errRanged, name)
		}
		return r, true, nil
	}
	return r, false, nil
}

// index reads a position in a list of values.
func index(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no position", errRanged, text)
	}
	return int(n), nil
}

// rangedValues returns the attribute's values, and where the rest of them begins;
// 0 stands for nowhere. want is where these values must begin: a directory that
// answers with another part, or with the same one again, is not believed.
func rangedValues(entry *ldap3.Entry, attr string, want int) (values []string, next int, err error) {
	for _, a := range entry.Attributes {
		r, ranged, err := parseRange(a.Name, attr)
		switch {
		case err != nil:
			return nil, 0, err
		case !ranged:
			continue
		case r.first != want:
			return nil, 0, fmt.Errorf("%w: %q where %d is next", errRanged, a.Name, want)
		case r.final:
			return a.Values, 0, nil
		case len(a.Values) != r.last-r.first+1:
			return nil, 0, fmt.Errorf("%w: %q has %d values", errRanged, a.Name, len(a.Values))
		}
		return a.Values, r.last + 1, nil
	}
	if want != 0 {
		return nil, 0, fmt.Errorf("%w: nothing from %d on", errRanged, want)
	}
	return entry.GetEqualFoldAttributeValues(attr), 0, nil
}

// restOfMemberOf reads the parts of memberOf that the person's entry did not
// bring: Active Directory gives 1500 values at a time.
func (w *worker) restOfMemberOf(ctx context.Context, p *person) error {
	for next := p.memberOfNext; next > 0; {
		if len(p.memberOf) > maxGroups {
			return errTooManyGroups
		}
		entries, err := w.search(ctx, phaseGroups, ldap3.SearchRequest{
			BaseDN: p.DN, Scope: ldap3.ScopeBaseObject, SizeLimit: 1, Filter: anyEntry,
			Attributes: []string{fmt.Sprintf("%s;range=%d-*", memberOf, next)},
		})
		if err != nil {
			return err
		}
		if len(entries) != 1 {
			return fmt.Errorf("%w: the person's entry is gone", errRanged)
		}
		var values []string
		if values, next, err = rangedValues(entries[0], memberOf, next); err != nil {
			return err
		}
		p.memberOf = append(p.memberOf, values...)
	}
	p.memberOfNext = 0
	return nil
}
