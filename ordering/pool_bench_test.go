package ordering

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
)

// BenchmarkPool is what one item of 512 bytes costs the pool, from admission into a block, at an
// eighth of a full pool, with its items spread over so many namespaces.
func BenchmarkPool(b *testing.B) {
	for _, namespaces := range []int{1, 16, 1024} {
		b.Run(fmt.Sprint("namespaces=", namespaces), func(b *testing.B) {
			rules := make([]dag.NamespaceRule, namespaces)
			for i := range rules {
				rules[i] = dag.NamespaceRule{ID: dag.Namespace(i + 1), Scheme: dag.SchemeOpen}
			}
			registry, err := dag.NewRegistry(rules)
			if err != nil {
				b.Fatal(err)
			}
			e, err := NewEngine(Config{Committee: dagtest.Committee(1), Registry: registry, Self: 0, Signer: dagtest.Key(0)}, Restored{})
			if err != nil {
				b.Fatal(err)
			}
			for now := time.Duration(0); !e.Status().Proposing; now += 100 * time.Millisecond {
				e.Step(Tick{Now: now})
				e.Ready()
			}
			items := benchItems(b, namespaces)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				if i%len(items) == 0 {
					for len(e.pool.waiting) > 0 {
						e.takeItems()
					}
				}
				if state, _, _ := e.admit(&items[i%len(items)], waiter{}); state != 0 {
					b.Fatalf("item %d: %d", i, state)
				}
			}
		})
	}
}

func benchItems(b *testing.B, namespaces int) []dag.Item {
	b.Helper()
	hasher := dag.NewItemHasher(dagtest.Committee(1).Network())
	items := make([]dag.Item, 16<<10)
	for i := range items {
		payload := make([]byte, 512)
		binary.BigEndian.PutUint64(payload, uint64(i))
		var err error
		if items[i], err = (&dag.Transaction{Namespace: dag.Namespace(i%namespaces + 1), Payload: payload}).Encode(hasher); err != nil {
			b.Fatal(err)
		}
	}
	return items
}
