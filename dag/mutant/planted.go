//go:build mutants

package mutant

// planted names the error of this build; empty for none. The linker can set it:
//
//	go build -tags mutants -ldflags "-X github.com/dunlin-network/dunlin/dag/mutant.planted=NAME"
var planted string

// Planted reports whether the error of that name is planted.
func Planted(n Name) bool { return Name(planted) == n }

// Plant plants one error, and takes the one before out; the empty name plants none. Nothing of dag
// or ordering may be running.
func Plant(n Name) { planted = string(n) }
