package connectors

import (
	"testing"

	"drawbridge/identity"

	"github.com/google/go-cmp/cmp"
)

func TestDecoded(t *testing.T) {
	d := newDecoded()
	read := func(value []byte) string {
		t.Helper()
		r, err := d.read("k", value)
		if err != nil {
			t.Fatal(err)
		}
		return r.Identity.Name
	}
	alice, bob := []byte(`{"identity":{"name":"alice"}}`), []byte(`{"identity":{"name":"bob"}}`)
	got := []string{read(alice), read(alice), read(bob), read(alice), read([]byte(`{"identity":{"name":"alicf"}}`))}
	if diff := cmp.Diff([]string{"alice", "alice", "bob", "alice", "alicf"}, got); diff != "" {
		t.Error(diff)
	}
	for _, value := range []string{"", "{", `{"identity":`} {
		if r, err := d.read("k", []byte(value)); err == nil || !cmp.Equal(r, remembered{}) {
			t.Errorf("%q says %v, %v", value, r, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = read(alice) }); n != 0 {
		t.Errorf("%v allocations for what is known", n)
	}
}

// Two keys that share a slot do not share an answer.
func TestDecodedSlots(t *testing.T) {
	d := newDecoded()
	for i := range 4 * decodedSlots {
		name := string(rune('a' + i%26))
		value := []byte(`{"identity":{"name":"` + name + `"}}`)
		r, err := d.read(name+string(rune(i)), value)
		if want := (identity.Identity{Name: name}); err != nil || !cmp.Equal(r.Identity, want) {
			t.Fatalf("%d: %v, %v", i, r.Identity, err)
		}
	}
}
