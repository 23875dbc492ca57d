package node

import (
	"fmt"
	"path/filepath"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// createData makes the empty store of a new node. Its fresh log is the proof that the key has
// signed nothing yet; a home without it must ask the others first.
func createData(dir string, genesis *dag.Genesis, keys *crypto.Keys) error {
	committee, err := genesis.Committee()
	if err != nil {
		return fmt.Errorf("write home: %w", err)
	}
	self, ok := committee.AuthorOf(keys.Identity.Public())
	if !ok {
		self = ordering.Observer
	}
	if err := store.Create(store.Options{Dir: filepath.Join(dir, DataDir), Committee: committee, Self: self}); err != nil {
		return homeError("choose another directory", "write home: %w", err)
	}
	return nil
}
