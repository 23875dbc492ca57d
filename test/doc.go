// Package test holds the suites that look at the whole system: networks of real processes.
package test
