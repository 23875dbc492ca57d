//go:build !tiny

package dag

// ValidityWindow is W: how many commits ahead valid_until may lie, and how many commits an accepted
// id is remembered.
const ValidityWindow = 4096
