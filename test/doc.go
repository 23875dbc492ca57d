// Package test holds the suites that look at the whole system: the floors that packages stand on,
// and networks of real processes.
package test
