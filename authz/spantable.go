package authz

import "math/bits"

// spanTable finds a principal's part of a node. It is a hash table with open
// addressing that is filled once: a decision asks each large node for each of
// the caller's principals, mostly in vain, and this answers in a few
// nanoseconds where a map takes several times as long.
type spanTable struct {
	slots []slot // a power of two of them, at most half in use
	shift uint8
}

// slot holds nothing when its principal is 0, which is nobody's number.
type slot struct {
	principal principalID
	span
}

// newSpanTable returns an empty table with room for n principals.
func newSpanTable(n int) *spanTable {
	size := bits.Len(uint(2 * max(n, 1)))                                    //nolint:gosec // n is positive
	return &spanTable{slots: make([]slot, 1<<size), shift: uint8(32 - size)} //nolint:gosec // size is at most maxIndexEntries' bits
}

// first returns where the search for a principal begins: Fibonacci hashing,
// which spreads numbers given out one after the other.
func (t *spanTable) first(p principalID) int { return int(uint32(p) * 2654435769 >> t.shift) }

// put adds a principal that is not in the table.
func (t *spanTable) put(p principalID, s span) {
	i := t.first(p)
	for t.slots[i].principal != 0 {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = slot{p, s}
}

// get returns the principal's part, the empty span when it has none. The table
// always has a free slot, where a search in vain ends.
func (t *spanTable) get(p principalID) span {
	for i := t.first(p); ; i = (i + 1) & (len(t.slots) - 1) {
		switch t.slots[i].principal {
		case p:
			return t.slots[i].span
		case 0:
			return span{}
		}
	}
}
