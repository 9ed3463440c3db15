package htpasswd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tail is the salt and hash of a well-formed entry; no password is known for it.
const tail = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

func TestParseUsers(t *testing.T) {
	file := "\xef\xbb\xbf# people\r\n" +
		"\n" +
		"alice:$2y$12$" + tail + "\r\n" +
		"   # indented remark\n" +
		"bob (ops):$2a$10$" + tail + ":hired 2024  \n" +
		"jürgen:$2b$05$" + tail + "   " // no line end
	users, faults := parseUsers([]byte(file))
	if len(faults) > 0 {
		t.Fatalf("faults: %v", faults)
	}
	got := map[string][2]int{}
	for name, u := range users {
		got[name] = [2]int{u.line, u.cost}
	}
	want := map[string][2]int{"alice": {3, 12}, "bob (ops)": {5, 10}, "jürgen": {6, 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line and cost (-want +got):\n%s", diff)
	}
}

func TestParseUsersFaults(t *testing.T) {
	good := "$2y$10$" + tail
	tests := []struct{ name, file, want string }{
		{"no colon", "hunter2secret", "1: no colon"},
		{"empty name", ":" + good, "1: the username is empty"},
		{"padded name", "alice :" + good, "1: the username begins or ends with a space"},
		{"control character", "al\x07ice:" + good, "1: the username holds a control"},
		{"not UTF-8", "al\xffice:" + good, "1: the username is not valid UTF-8"},
		{"duplicate", "a:" + good + "\n#\na:" + good, `3: user "a" stands on line 1 already`},
		{"duplicate of a faulty line", "a:x\na:" + good, `1: user "a": this is no bcrypt`},
		{"MD5", "a:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00", `1: user "a": an MD5 hash is not accepted, only bcrypt; make it anew with ` + "`htpasswd -B"},
		{"SHA-1", "a:{SHA}2PRZAyDhNDqRW2OUFwZQqPNdaSY=", "a SHA-1 hash"},
		{"SHA-512 crypt", "a:$6$salt$abc", "a SHA-512 crypt"},
		{"crypt", "a:rl.3StKT.4T8M", "no bcrypt hash"},
		{"$2x$", "a:$2x$10$" + tail, "broken bcrypt variant"},
		{"missing", "a:", "hash is missing"},
		{"torn", "a:" + good[:40], "damaged"},
		{"too long", "a:" + good + "A", "damaged"},
		{"bad alphabet", "a:" + good[:59] + "!", "damaged"},
		{"bad cost digits", "a:$2y$1x$" + tail, "damaged"},
		{"cost under bcrypt's own", "a:$2y$03$" + tail, "damaged"},
		{"cost 15", "a:$2y$15$" + tail, "cost 15 is over 14"},
		{"cost 31", "a:$2y$31$" + tail, "cost 31 is over 14"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, list := parseUsers([]byte(tt.file))
			if len(list) == 0 {
				t.Fatal("no fault")
			}
			text := (&Faults{"f", list}).Error()
			if !strings.Contains(text, tt.want) {
				t.Errorf("got %q, want %q in it", text, tt.want)
			}
			for _, secret := range []string{"hunter2secret", tail[:20], "eIMz/iKDkbtys"} {
				if strings.Contains(text, secret) {
					t.Errorf("the fault %q quotes %q", text, secret)
				}
			}
		})
	}
}

func TestParseUsersReportsAll(t *testing.T) {
	_, list := parseUsers([]byte("nocolon\nb:{SHA}x\n\n:x\n"))
	var lines []int
	for _, f := range list {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff([]int{1, 2, 4}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestParseGroups(t *testing.T) {
	groups, faults := parseGroups([]byte("# g\ndev: bob  alice\tbob\nops:\ndev: carol\nrelease team: alice\n"))
	if len(faults) > 0 {
		t.Fatalf("faults: %v", faults)
	}
	want := map[string][]string{"dev": {"alice", "bob", "carol"}, "ops": {}, "release team": {"alice"}}
	if diff := cmp.Diff(want, groups, cmp.Transformer("empty", func(s []string) string { return strings.Join(s, ",") })); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}

	_, faults = parseGroups([]byte("dev alice\n: alice\n dev: alice\nok: a\nops: \xff\n"))
	want2 := []int{1, 2, 3, 5}
	var lines []int
	for _, f := range faults {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff(want2, lines); diff != "" {
		t.Errorf("faulty lines (-want +got):\n%s", diff)
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add([]byte("alice:$2y$12$" + tail + "\n# x\nbob:{SHA}x"))
	f.Add([]byte("\xef\xbb\xbf:\r\n\x00:$2a$"))
	f.Fuzz(func(t *testing.T, data []byte) {
		users, faults := parseUsers(data)
		if len(faults) > 0 {
			return
		}
		for name, u := range users {
			if err := checkName(name); err != nil || strings.Contains(name, ":") {
				t.Errorf("accepted the name %q: %v", name, err)
			}
			if u.cost < 4 || u.cost > MaxCost || len(u.hash) != hashLength || u.line < 1 {
				t.Errorf("accepted %q with cost %d, %d bytes, line %d", name, u.cost, len(u.hash), u.line)
			}
		}
	})
}

func FuzzParseGroups(f *testing.F) {
	f.Add([]byte("dev: alice bob\ndev: carol"))
	f.Add([]byte("a:b:c\r\n\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		groups, faults := parseGroups(data)
		if len(faults) > 0 {
			return
		}
		for name, members := range groups {
			if err := checkName(name); err != nil {
				t.Errorf("accepted the group %q: %v", name, err)
			}
			for i, m := range members {
				if m == "" || i > 0 && members[i-1] >= m {
					t.Errorf("members of %q are not sorted and distinct: %q", name, members)
				}
			}
		}
	})
}
