//go:build mutants

package certificate

import (
	"os"

	"github.com/dunlin-network/dunlin/dag/mutant"
)

// The tests of this package run with the error that the environment names; see test/mutants.
func init() { mutant.Plant(mutant.Name(os.Getenv("DUNLIN_MUTANT"))) }
