// Command mutants plants the errors of package dag/mutant one after the other and says what notices
// each: simulations with adversaries and faults, or the tests of ordering and dag. It exits with 1
// if an error survives both, or if something fails without one. It wants the build tags mutants and
// tiny: `make mutants`.
package main
