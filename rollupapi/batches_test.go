package rollupapi

import (
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/gate"
)

// TestBatchSearches: a client takes one of the places for searches, and whoever asks again for the walk that it needs keeps
// it, however many others are begun.
func TestBatchSearches(t *testing.T) {
	b := newBatches()
	first, ok := b.begin(gate.Client{Name: "a"})
	if _, again := b.begin(gate.Client{Name: "a"}); !ok || again {
		t.Fatalf("one client: %t, %t", ok, again)
	}
	var local []func()
	for range maxBatchSearches - 1 {
		release, ok := b.begin(gate.Client{Local: true})
		if !ok {
			t.Fatalf("only %d places", len(local)+1)
		}
		local = append(local, release)
	}
	if _, ok := b.begin(gate.Client{Name: "b"}); ok {
		t.Error("one place too many")
	}
	first()
	other, ok := b.begin(gate.Client{Name: "b"})
	if !ok {
		t.Fatal("no place is free again")
	}
	other()
	for _, release := range local {
		release()
	}
	if len(b.searching) != 0 {
		t.Errorf("%d are searching", len(b.searching))
	}

	mine := batchName{ns: 1, limit: 7}
	b.walked(mine, after(0))
	b.walk(mine, after(9))
	for i := range 3 * maxBatchWalks {
		b.walked(batchName{ns: 1, limit: 1000 + i}, after(0))
		if i%100 == 0 && b.walked(mine, after(0)) != after(9) {
			t.Fatalf("after %d others the walk begins anew", i)
		}
	}
	if len(b.walks) > maxBatchWalks {
		t.Errorf("%d walks", len(b.walks))
	}
}
