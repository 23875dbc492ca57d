//go:build tiny

package dag

// ValidityWindow is so small in the build with the tag tiny that short simulations come to its end. It
// stays well above the depth of collection: what a collected block held must have time to come again.
const ValidityWindow = 128
