// Package floors holds the source to the floors that packages stand on. It imports none of them, so
// that it can say which import is wrong where the compiler only sees a cycle.
package floors
