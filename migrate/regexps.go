package migrate

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// most is how many alternatives of a regular expression are written out.
const most = 64

// anchored returns the patterns that a regular expression with ^ and $ stands for, nil
// where it is more than we can write.
func anchored(re *syntax.Regexp) []string {
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 || re.Sub[0].Op != syntax.OpBeginText {
		return nil
	}
	parts := re.Sub[1:]
	if last := parts[len(parts)-1]; last.Op == syntax.OpEndText {
		return wholeSegments(sequence(parts[:len(parts)-1], true))
	}
	return nil
}

// some stands for [^/]+ until it is known whether it is a whole segment: there it is
// our *, since no segment is empty. Beside other text, * would be more.
const some = "\x01"

func wholeSegments(patterns []string) []string {
	for i, p := range patterns {
		parts := strings.Split(p, "/")
		for j, part := range parts {
			if part == some {
				parts[j] = "*"
			}
		}
		if patterns[i] = strings.Join(parts, "/"); strings.Contains(patterns[i], some) {
			return nil
		}
	}
	return patterns
}

// sequence joins what its parts stand for. The rest of a name can only come last.
func sequence(parts []*syntax.Regexp, last bool) []string {
	out := []string{""}
	for i, part := range parts {
		final := last && i == len(parts)-1
		if final && len(parts) > 1 && isRest(part) {
			return rest(out, part.Op == syntax.OpStar)
		}
		more := alternatives(part, final)
		if more == nil || len(out)*len(more) > most {
			return nil
		}
		var joined []string
		for _, a := range out {
			for _, b := range more {
				joined = append(joined, a+b)
			}
		}
		out = joined
	}
	return out
}

// isRest reports .* and .+
func isRest(re *syntax.Regexp) bool {
	return (re.Op == syntax.OpStar || re.Op == syntax.OpPlus) && re.Sub[0].Op == syntax.OpAnyCharNotNL
}

// rest adds everything that may follow. Behind a slash that is our **; behind a part of
// a segment it is the end of the segment, and whatever follows that.
func rest(begin []string, mayBeNothing bool) []string {
	var out []string
	for _, b := range begin {
		switch {
		case strings.HasSuffix(b, "/"):
			out = append(out, b+"**")
		case mayBeNothing:
			out = append(out, b+"*", b+"*/**")
		default:
			return nil
		}
	}
	return out
}

// alternatives returns the texts that one part stands for.
func alternatives(re *syntax.Regexp, last bool) []string {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 && !strings.ContainsAny(string(re.Rune), "*$"+some) {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture:
		return alternatives(re.Sub[0], last)
	case syntax.OpConcat:
		return sequence(re.Sub, false)
	case syntax.OpCharClass:
		return runes(re.Rune)
	case syntax.OpAlternate:
		return choices(re.Sub, last)
	case syntax.OpQuest:
		if more := alternatives(re.Sub[0], last); more != nil {
			return append(more, "")
		}
	case syntax.OpStar, syntax.OpPlus:
		if noSlash(re.Sub[0]) {
			return []string{map[bool]string{true: "*", false: some}[re.Op == syntax.OpStar]}
		}
	default:
	}
	return nil
}

// choices are the texts of any of several parts.
func choices(parts []*syntax.Regexp, last bool) (out []string) {
	for _, part := range parts {
		more := alternatives(part, last)
		if more == nil {
			return nil
		}
		out = append(out, more...)
	}
	return out
}

// noSlash reports [^/].
func noSlash(re *syntax.Regexp) bool {
	return re.Op == syntax.OpCharClass && slices.Equal(re.Rune, []rune{0, '/' - 1, '/' + 1, 0x10ffff})
}

// runes are the characters of a small class.
func runes(ranges []rune) []string {
	var out []string
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if len(out) == most || r == '*' || r == '$' {
				return nil
			}
			out = append(out, string(r))
		}
	}
	return out
}

// finite returns the texts that a pattern of accounts names one by one, nil where they
// are not so few.
func finite(p string) []string {
	if !isRegexp(p) {
		if strings.ContainsAny(p, `*?[\`) {
			return nil
		}
		return []string{p}
	}
	re, err := syntax.Parse(p[1:len(p)-1], syntax.Perl)
	if err != nil {
		return nil
	}
	found := anchored(re.Simplify())
	if slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, "*") }) {
		return nil
	}
	return found
}
