//go:build mutants

package ordering

// planted names the error of this build. The linker sets it:
// go build -tags mutants -ldflags "-X github.com/dunlin-network/dunlin/ordering.planted=NAME"
//
// NAME is one of: dedupe (what was accepted before is accepted again).
var planted string

func mutant(name string) bool { return name == planted }
