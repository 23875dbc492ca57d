//go:build tiny

package dag

// ValidityWindow is so small in the build with the tag tiny that short simulations come to its end.
const ValidityWindow = 64
