package robot

import (
	"net/netip"
	"strings"
	"testing"

	"drawbridge/authz"
	"drawbridge/identity"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"ci": true, "a": true, "0": true, "payments-ci": true, "a.b_c-d": true, "7up": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "CI": false, "-ci": false, "ci-": false, "a--b": false, "a..b": false, "a_-b": false,
		".": false, "..": false, "x/../y": false, "a b": false, "a\x00b": false, "a:b": false, "ü": false, "robot.ci": true, "a\n": false,
		"*": false, "${user}": false, "\xff": false,
	} {
		if err := checkName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A name that is accepted is a subject of a policy, and its slug is its own.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"ci", "payments-ci", "a.b_c-d", "a--b", "ci-", "", "x/../y"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			return
		}
		id := Robot{Name: name}.identity()
		for _, home := range []string{"", "corp"} {
			if slug, ok := authz.Slug(home, id); !ok || slug != "robot--"+name {
				t.Errorf("%q has the slug %q, %v", name, slug, ok)
			}
		}
		if p, err := authz.ParsePrincipal(id.String()); err != nil || p.Name != name {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func TestOwnersAndDescriptions(t *testing.T) {
	for owner, want := range map[string]bool{
		"corp/payments-leads": true, "corp/CN=Leads,OU=Payments/EMEA": true, "corp/Leiter für Büro": true,
		"": false, "payments-leads": false, "/leads": false, "corp/": false, "corp/a\x1b[2J": false, "corp/a\nb": false,
		"corp/" + strings.Repeat("a", 300): false, "corp/\xff": false,
	} {
		if err := checkOwner(owner); (err == nil) != want {
			t.Errorf("%q: %v", owner, err)
		}
	}
	for text, want := range map[string]bool{
		"": true, "builds payments 💻": true, "two\nlines": false, "\x1b[2J": false, "a\x00": false, strings.Repeat("a", 257): false,
	} {
		if err := checkDescription(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseCIDR(t *testing.T) {
	for text, want := range map[string]string{ // what the refusal has to say
		"10.0.0.0/8": "", "192.0.2.7/32": "", "0.0.0.0/0": "", "::/0": "", "2001:db8::/32": "", "2001:db8::1/128": "",
		"10.0.0.5":            "write 10.0.0.5/32",
		"2001:db8::1":         "write 2001:db8::1/128",
		"::ffff:10.0.0.5":     "write 10.0.0.5/32",
		"10.0.0.5/8":          "write 10.0.0.0/8, or 10.0.0.5/32",
		"::ffff:10.0.0.0/104": "write it as IPv4",
		"10.0.0.0/33":         "is not a network",
		"10.0.0.0/08":         "is not a network",
		"10.0.0":              "is not a network",
		"fe80::1%eth0":        "is not a network",
		"fe80::%eth0/64":      "is not a network",
		"":                    "is not a network",
		"example.com/8":       "is not a network",
	} {
		got, err := ParseCIDR(text)
		switch {
		case want == "" && (err != nil || got.String() != text):
			t.Errorf("%q: %s, %v", text, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || identity.AsError(err).Kind != identity.Invalid):
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestAllows(t *testing.T) {
	for _, tt := range []struct {
		cidrs, address string
		want           bool
	}{
		{"", "192.0.2.1", true},
		{"", "", true},
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "::ffff:10.0.0.1", true},
		{"10.0.0.0/8", "::ffff:11.0.0.1", false},
		{"10.0.0.0/8", "", false},
		{"10.0.0.0/8", "somewhere", false},
		{"10.0.0.0/8", "10.0.0.1:443", false},
		{"0.0.0.0/0", "::1", false},
		{"0.0.0.0/0", "::ffff:1.2.3.4", true},
		{"::/0", "10.0.0.1", false},
		{"::/0", "::ffff:10.0.0.1", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"10.0.0.0/8 2001:db8::/32", "2001:db8::1", true},
		{"192.0.2.7/32", "192.0.2.7", true},
		{"192.0.2.7/32", "192.0.2.8", false},
	} {
		var bot Robot
		for text := range strings.FieldsSeq(tt.cidrs) {
			bot.CIDRs = append(bot.CIDRs, netip.MustParsePrefix(text))
		}
		if got := bot.allows(parseAddress(tt.address)); got != tt.want {
			t.Errorf("%q from %q: %v", tt.cidrs, tt.address, got)
		}
	}
}
