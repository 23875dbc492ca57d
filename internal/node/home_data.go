package node

import (
	"os"
	"path/filepath"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

func createData(dir string, _ *dag.Genesis, _ *crypto.Keys) error {
	return os.MkdirAll(filepath.Join(dir, DataDir), 0o700)
}
