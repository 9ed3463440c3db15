package doctor

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"drawbridge/identity"
)

// Text is the report for a person at night: a line for each check, and then what to
// do, the problems first.
func (r Report) Text() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, one := range r.Results {
		said := one.Detail
		if len(one.Findings) > 0 {
			ids := make([]string, 0, len(one.Findings))
			for _, f := range one.Findings {
				ids = append(ids, string(f.ID))
			}
			said = strings.Join(slices.Compact(ids), " ") + "  " + one.Findings[0].Title
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", one.State, identity.Printable(strings.TrimSpace(one.Check+" "+one.Subject)), identity.Printable(said))
	}
	_ = w.Flush()
	counts := map[Severity]int{}
	for _, severity := range []Severity{Problem, Warning} {
		for _, one := range r.Results {
			for _, f := range one.Findings {
				if f.Severity == severity {
					counts[severity]++
					f.write(&out, one)
				}
			}
		}
	}
	fmt.Fprintf(&out, "\nProblems: %d. Warnings: %d.", counts[Problem], counts[Warning])
	if r.Code() == 2 {
		out.WriteString(" Something could not be told, see above.")
	}
	out.WriteString("\n")
	return out.String()
}

func (f Finding) write(out *strings.Builder, of Result) {
	fmt.Fprintf(out, "\n%s  %s (%s)\n", f.ID, f.Title, f.Severity)
	if of.Subject != "" {
		fmt.Fprintf(out, "  at:   %s\n", identity.Printable(of.Subject))
	}
	fmt.Fprintf(out, "  what: %s\n  why:  %s\n  fix:\n", identity.Printable(f.What), identity.Printable(f.Why))
	for _, line := range f.Fix {
		fmt.Fprintf(out, "    %s\n", identity.Printable(line))
	}
	fmt.Fprintf(out, "  more: docs/doctor.md#%s\n", strings.ToLower(string(f.ID)))
}
