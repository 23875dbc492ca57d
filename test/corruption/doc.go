// Package corruption harms every kind of file of a node's home in every way a disk does, and holds
// what the node makes of it against docs/corruption.md: nothing may pass unnoticed.
package corruption
