package ordering

import (
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// An item that enters without valid_until gets its window then: while it waits at a node that cannot
// make blocks, the others may take it from somebody else and forget it again.
func TestWindowBeginsAtAdmission(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.run(500 * time.Millisecond)
	e := c.nodes[0].engine
	entered := e.Head().Index
	hasher := dag.NewItemHasher(c.committee.Network())
	tx := dag.Transaction{Namespace: testNamespace, Payload: []byte("waits")}
	item, err := tx.Encode(hasher)
	if err != nil {
		t.Fatal(err)
	}
	e.Step(Submitted{Ticket: 1, Items: []dag.Item{item}})
	e.head = dag.CommitRef{Index: entered + 10, Digest: crypto.Digest{}} // commits pass by
	items, _ := e.takeItems()
	if len(items) != 1 || items[0].ValidUntil != entered+dag.ValidityWindow {
		t.Fatalf("took %d items, valid until %v; want 1, valid until %d", len(items), items, entered+dag.ValidityWindow)
	}
}
