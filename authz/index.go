package authz

import (
	"cmp"
	"slices"
)

// ruleIndex finds the bindings and guardrails that can concern a repository and
// a caller. Patterns lie in a tree of the literal segments they begin with; at
// each node, bindings lie under their subjects. A decision walks the tree down
// the repository's segments and looks at each node for the caller's principals
// only, so bindings for other repositories or other people cost nothing.
type ruleIndex struct {
	edges   map[edge]nodeID
	nodes   []node
	entries []entry // sorted by node, principal, binding, pattern
}

type (
	nodeID      uint32
	principalID uint32
)

// The nodes that exist in every index.
const (
	rootNode       nodeID = iota // patterns that begin with no literal segment
	catalogNode                  // what grants or denies the catalog
	capabilityNode               // what grants capabilities
	firstFreeNode
)

// edge leads from a node to the one below it for a literal segment.
type edge struct {
	from    nodeID
	segment string
}

// node holds the rules whose patterns have exactly the literal prefix that
// leads to it.
type node struct {
	// entries[start:end] are the node's bindings by principal.
	start, end uint32
	// byPrincipal finds a principal's part of them; nil where scanning all of
	// them is cheaper.
	byPrincipal *spanTable
	guards      []guard
}

type span struct{ start, end uint32 }

// entry is one subject and one pattern of a binding.
type entry struct {
	node      nodeID
	principal principalID
	binding   uint32
	pattern   uint32
}

// guard is one pattern of a guardrail.
type guard struct{ guardrail, pattern uint32 }

// noPattern marks what does not concern repositories.
const noPattern = ^uint32(0)

// scanLimit is how many entries of a node are scanned rather than looked up.
const scanLimit = 12

func buildRuleIndex(d *Document, people *principalIndex) ruleIndex {
	x := ruleIndex{edges: map[edge]nodeID{}, nodes: make([]node, firstFreeNode)}
	for i := range d.Bindings {
		x.addBinding(uint32(i), &d.Bindings[i], people) //nolint:gosec // bounded by MaxDocumentBytes
	}
	for i := range d.Guardrails {
		x.addGuardrail(uint32(i), &d.Guardrails[i]) //nolint:gosec // bounded by MaxDocumentBytes
	}
	slices.SortFunc(x.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.principal, b.principal),
			cmp.Compare(a.binding, b.binding), cmp.Compare(a.pattern, b.pattern))
	})
	x.entries = slices.Compact(x.entries)
	x.spanNodes()
	return x
}

func (x *ruleIndex) addBinding(i uint32, b *Binding, people *principalIndex) {
	principals := people.internAll(b.Subjects)
	add := func(n nodeID, pattern uint32) {
		for _, id := range principals {
			x.entries = append(x.entries, entry{n, id, i, pattern})
		}
	}
	if b.Role.Actions&repositoryActions != 0 {
		for j := range b.Repositories {
			add(x.nodeFor(&b.Repositories[j]), uint32(j)) //nolint:gosec // bounded by MaxDocumentBytes
		}
	}
	if b.Role.Actions.Has(Catalog) {
		add(catalogNode, noPattern)
	}
	if b.Role.Capabilities != 0 {
		add(capabilityNode, noPattern)
	}
}

func (x *ruleIndex) addGuardrail(i uint32, g *Guardrail) {
	for j := range g.Repositories {
		n := &x.nodes[x.nodeFor(&g.Repositories[j])]
		n.guards = append(n.guards, guard{i, uint32(j)}) //nolint:gosec // bounded by MaxDocumentBytes
	}
	if g.Deny.Has(Catalog) {
		n := &x.nodes[catalogNode]
		n.guards = append(n.guards, guard{i, noPattern})
	}
}

// nodeFor returns the node of the pattern's literal prefix, and makes it.
func (x *ruleIndex) nodeFor(p *Pattern) nodeID {
	n := rootNode
	for i := range p.literalPrefix() {
		e := edge{n, p.segments[i].text}
		next, ok := x.edges[e]
		if !ok {
			next = nodeID(len(x.nodes)) //nolint:gosec // at most one per byte of the document
			x.nodes = append(x.nodes, node{})
			x.edges[e] = next
		}
		n = next
	}
	return n
}

// spanNodes tells each node where its entries are.
func (x *ruleIndex) spanNodes() {
	for start := 0; start < len(x.entries); {
		end := start + 1
		for end < len(x.entries) && x.entries[end].node == x.entries[start].node {
			end++
		}
		x.nodes[x.entries[start].node].setSpan(x.entries, start, end)
		start = end
	}
}

func (n *node) setSpan(entries []entry, start, end int) {
	n.start, n.end = uint32(start), uint32(end) //nolint:gosec // bounded by maxIndexEntries
	if end-start <= scanLimit {
		return
	}
	principals := 0
	for i := n.start; i < n.end; i++ {
		if i == n.start || entries[i].principal != entries[i-1].principal {
			principals++
		}
	}
	n.byPrincipal = newSpanTable(principals)
	for i := n.start; i < n.end; {
		j := i + 1
		for j < n.end && entries[j].principal == entries[i].principal {
			j++
		}
		n.byPrincipal.put(entries[i].principal, span{i, j})
		i = j
	}
}
