package conformance

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"drawbridge/cache"
)

func testUnknown(t *testing.T, c cache.Cache) {
	value, ok := get(t, c, key(t, "never set"))
	if ok || value != nil {
		t.Errorf("got %q, %v; want nothing", value, ok)
	}
}

func testSetGetDelete(t *testing.T, c cache.Cache) {
	k, other := key(t, "k"), key(t, "other")
	set(t, c, k, "value", ttl)
	set(t, c, other, "stays", ttl)
	wantValue(t, c, k, "value")
	wantValue(t, c, k, "value")
	if err := c.Delete(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	wantNone(t, c, k)
	wantValue(t, c, other, "stays")
	if err := c.Delete(t.Context(), k); err != nil {
		t.Errorf("a key that is not there: %v", err)
	}
	set(t, c, k, "again", ttl)
	wantValue(t, c, k, "again")
}

func testOverwrite(t *testing.T, c cache.Cache) {
	k := key(t, "k")
	set(t, c, k, "a long first value", ttl)
	set(t, c, k, "short", ttl)
	wantValue(t, c, k, "short")
}

func testExpiry(t *testing.T, c cache.Cache) {
	short, long := key(t, "short"), key(t, "long")
	set(t, c, long, "stays", ttl)
	set(t, c, short, "goes", 30*time.Millisecond)
	waitNone(t, c, short)
	wantNone(t, c, short)
	wantValue(t, c, long, "stays")
}

func testOverwriteTTL(t *testing.T, c cache.Cache) {
	longer, shorter, witness := key(t, "longer"), key(t, "shorter"), key(t, "witness")
	set(t, c, longer, "v1", 30*time.Millisecond)
	set(t, c, longer, "v2", ttl)
	set(t, c, shorter, "v1", ttl)
	set(t, c, shorter, "v2", 30*time.Millisecond)
	set(t, c, witness, "v", 60*time.Millisecond)
	waitNone(t, c, shorter)
	// When the witness is gone, the first ttl of `longer` has passed as well.
	waitNone(t, c, witness)
	wantValue(t, c, longer, "v2")
}

func testNoTTL(t *testing.T, c cache.Cache) {
	for _, d := range []time.Duration{0, -1, -time.Millisecond, -time.Second, math.MinInt64} {
		fresh, held := key(t, "fresh "+d.String()), key(t, "held "+d.String())
		set(t, c, held, "held", ttl)
		set(t, c, fresh, "v", d)
		set(t, c, held, "other", d)
		wantNone(t, c, fresh)
		wantValue(t, c, held, "held")
	}
}

func testExtremeTTL(t *testing.T, c cache.Cache) {
	tiny, huge := key(t, "tiny"), key(t, "huge")
	set(t, c, tiny, "v", 1)
	set(t, c, huge, "v", math.MaxInt64)
	waitNone(t, c, tiny)
	wantValue(t, c, huge, "v")
}

func testKeys(t *testing.T, c cache.Cache) {
	keys := []string{
		key(t, ""), key(t, " "), key(t, "a"), key(t, "A"), key(t, "a "), key(t, "a\x00"), key(t, "a\r\nDEL x\r\n"),
		key(t, "\xff\xfe"), key(t, "jürgen"), key(t, "*"), key(t, "{tag}a"), key(t, "{tag}b"), key(t, "{}"),
		key(t, strings.Repeat("k", 4096)), key(t, strings.Repeat("k", 4097)),
	}
	for _, k := range keys {
		set(t, c, k, "value of "+k, ttl)
	}
	for _, k := range keys {
		wantValue(t, c, k, "value of "+k)
	}
}

func testValues(t *testing.T, c cache.Cache) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, value := range map[string]string{
		"empty": "", "zero": "\x00", "newlines": "\r\n$-1\r\n", "every byte": string(every), "json": `{"a":1}`,
	} {
		set(t, c, key(t, name), value, ttl)
		wantValue(t, c, key(t, name), value)
	}
	if err := c.Set(t.Context(), key(t, "nil"), nil, ttl); err != nil {
		t.Fatal(err)
	}
	wantValue(t, c, key(t, "nil"), "")
}

func testBig(t *testing.T, c cache.Cache) {
	k := key(t, "k")
	for _, size := range []int{64 << 10, 1 << 20} {
		value := string(bytes.Repeat([]byte("0123456789abcde\n"), size/16))
		set(t, c, k, value, ttl)
		wantValue(t, c, k, value)
	}
}

func testDeleteMany(t *testing.T, c cache.Cache) {
	if err := c.Delete(t.Context()); err != nil {
		t.Errorf("no keys: %v", err)
	}
	var keys []string
	for i := range 100 {
		keys = append(keys, key(t, strings.Repeat("k", i)))
	}
	for _, k := range keys {
		set(t, c, k, "v", ttl)
	}
	gone := append([]string{key(t, "not there"), keys[1]}, keys[1:]...)
	if err := c.Delete(t.Context(), gone...); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys[1:] {
		wantNone(t, c, k)
	}
	wantValue(t, c, keys[0], "v")
}

func testIsolation(t *testing.T, c cache.Cache) {
	k := key(t, "k")
	mine := []byte("first")
	if err := c.Set(t.Context(), k, mine, ttl); err != nil {
		t.Fatal(err)
	}
	copy(mine, "XXXXX")
	wantValue(t, c, k, "first")
	kept, _ := get(t, c, k)
	set(t, c, k, "other", ttl)
	wantValue(t, c, k, "other")
	if string(kept) != "first" {
		t.Errorf("a value that was read became %q when the key was written again", kept)
	}
	_ = append(kept, " and more"...)
	wantValue(t, c, k, "other")
}
