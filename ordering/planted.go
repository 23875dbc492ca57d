//go:build !mutants

package ordering

// mutant reports whether this build has the error of that name planted. It never has: only the
// builds of the tests that must notice such errors have one, see planted_mutants.go.
func mutant(string) bool { return false }
