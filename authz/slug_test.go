package authz

import (
	"encoding/hex"
	"strings"
	"testing"

	"drawbridge/identity"
)

func TestSlug(t *testing.T) {
	long := strings.Repeat("a", maxSlugBytes)
	for _, tt := range []struct {
		home string
		id   identity.Identity
		want string // "" for none
	}{
		{"corp", user("corp/alice"), "alice"},
		{"corp", user("sso/alice"), "sso--alice"},
		{"", user("sso/alice"), "alice"},
		{"corp", robot("alice"), "robot--alice"},
		{"", robot("alice"), "robot--alice"},
		{"corp", user("corp/a.b-c_d"), "a.b-c_d"},
		{"corp", user("corp/a..b"), "a__2e__2eb"},
		{"corp", user("corp/a__41"), "a__5f__5f41"},
		{"corp", user("corp/sso--alice"), "sso__2d__2dalice"},
		{"corp", user("corp/Alice"), "0__00__41lice"},
		{"corp", user("corp/-a"), "0__00__2da"},
		{"corp", user("corp/a-"), "a__2d"},
		{"corp", user("corp/0__00__41lice"), "0__5f__5f00__5f__5f41lice"},
		{"corp", user("corp/jürgen"), "j__c3__bcrgen"},
		{"corp", user("corp/bob (ops)"), "bob__20__28ops__29"},
		{"corp", user("corp/o'neil"), "o__27neil"},
		{"corp", user("corp/x,y"), "x__2cy"},
		{"corp", user("corp/bob@example.com"), "bob__40example.com"},
		{"corp", user("corp/a/b"), "a__2fb"},
		{"corp", user("corp/*"), "0__00__2a"},
		{"corp", user("corp/**"), "0__00__2a__2a"},
		{"corp", user("corp/${user}"), "0__00__24__7buser__7d"},
		{"corp", user("corp/" + long), long},
		{"corp", user("corp/" + long + "a"), ""},
		{"corp", user("sso/" + long), ""},
		{"corp", user("corp/"), ""},
		{"corp", user("corp/a\x00b"), ""},
		{"corp", user("corp/a\nb"), ""},
		{"corp", user("corp/a\u0085b"), ""},
		{"corp", user("corp/a\xffb"), ""},
		{"corp", user("Corp/alice"), ""},
		{"corp", user("a--b/alice"), ""},
		{"corp", user("a-/alice"), ""},
		{"corp", user("robot/alice"), ""},
		{"corp", user("/alice"), ""},
		{"corp", anonymous(), ""},
		{"corp", identity.Identity{Name: "alice"}, ""},
	} {
		got, ok := Slug(tt.home, tt.id)
		if !ok {
			got = ""
		}
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("home %q, %q: got %q, %v; want %q", tt.home, tt.id, got, ok, tt.want)
		}
	}
}

// unslug is the inverse of the scheme, written from its description. That it
// exists is what makes slugs injective.
func unslug(t *testing.T, slug string) (prefix, name string) {
	t.Helper()
	if before, after, ok := strings.Cut(slug, slugQualifier); ok {
		prefix, slug = before, after
	}
	slug = strings.TrimPrefix(slug, slugEscapedStart)
	var b strings.Builder
	for len(slug) > 0 {
		if !strings.HasPrefix(slug, slugEscape) {
			b.WriteByte(slug[0])
			slug = slug[1:]
			continue
		}
		raw, err := hex.DecodeString(slug[2:4])
		if err != nil {
			t.Fatalf("%q has a broken escape: %v", slug, err)
		}
		b.Write(raw)
		slug = slug[4:]
	}
	return prefix, b.String()
}

func checkSlug(t *testing.T, home, connector, name string) {
	t.Helper()
	id := identity.Identity{Kind: identity.User, Connector: connector, Name: name}
	slug, ok := Slug(home, id)
	if !ok {
		return
	}
	if !isComponent(slug) {
		t.Fatalf("%q of %q is no legal component", slug, name)
	}
	wantPrefix := connector
	if home == "" || connector == home {
		wantPrefix = ""
	}
	if prefix, back := unslug(t, slug); prefix != wantPrefix || back != name {
		t.Fatalf("%q of %q reads back as %q, %q", slug, name, prefix, back)
	}
	if prefix, _ := slugPrefix(home, id.Kind, connector); !isSlugOf(slug, prefix, name) {
		t.Fatalf("%q is not recognised as the slug of %q", slug, name)
	}
}

// TestSlugsOfAllShortNames leaves no gap below five characters of the bytes that
// the scheme treats differently.
func TestSlugsOfAllShortNames(t *testing.T) {
	alphabet := []string{"a", "0", "4", "_", "-", ".", "A", "/", "ü"}
	seen := map[string]string{}
	var visit func(name string, depth int)
	visit = func(name string, depth int) {
		if name != "" {
			checkSlug(t, "corp", "corp", name)
			slug, _ := Slug("corp", user("corp/"+name))
			if other, taken := seen[slug]; taken {
				t.Fatalf("%q and %q share the slug %q", name, other, slug)
			}
			seen[slug] = name
		}
		if depth == 0 {
			return
		}
		for _, c := range alphabet {
			visit(name+c, depth-1)
		}
	}
	visit("", 5)
}

func FuzzSlug(f *testing.F) {
	for _, name := range []string{"alice", "a__41", "A", "0__00__41", "sso--a", "-", "a-b", "a--b", "jürgen", "*", "a\x00", ""} {
		f.Add(name, "a.b", "sso")
	}
	f.Fuzz(func(t *testing.T, a, b, connector string) {
		if !ValidConnectorName(connector) {
			connector = "sso"
		}
		checkSlug(t, "corp", "corp", a)
		checkSlug(t, "corp", connector, a)
		callers := []identity.Identity{user("corp/" + a), user("corp/" + b), user(connector + "/" + a), robot(a), robot(b)}
		for i, one := range callers {
			for _, two := range callers[i+1:] {
				s1, ok1 := Slug("corp", one)
				s2, ok2 := Slug("corp", two)
				if ok1 && ok2 && s1 == s2 && one.String() != two.String() {
					t.Fatalf("%s and %s share the slug %q", one, two, s1)
				}
			}
		}
		// A repository segment that a caller chooses is the slug of a name only
		// if it is the one the scheme makes.
		if slug, ok := Slug("corp", user("corp/"+a)); isSlugOf(b, "", a) && validName(a) && (!ok || slug != b) {
			t.Fatalf("%q is taken for the slug of %q, which is %q", b, a, slug)
		}
	})
}
