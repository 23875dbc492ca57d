package keygen

import "github.com/dunlin-network/dunlin/dag"

// Serves reports whether the key serves in commit i.
func (k *Key) Serves(i dag.CommitIndex) bool { return k.From <= i && (k.Until == 0 || i <= k.Until) }

// self is the key, whatever it is embedded in.
func (k *Key) self() *Key { return k }

// Succession is keys that serve one after the other, oldest first, as *Key or as what embeds a Key. The zero value
// is empty. It is not safe for concurrent use.
type Succession[K interface{ self() *Key }] []K

// Add takes the next key. The one before serves up to the commit before the first of this one.
func (s *Succession[K]) Add(next K) {
	if last := len(*s) - 1; last >= 0 && (*s)[last].self().Until == 0 {
		(*s)[last].self().Until = next.self().From - 1
	}
	*s = append(*s, next)
}

// In is the key that serves in commit i; nil for none.
func (s Succession[K]) In(i dag.CommitIndex) K {
	for _, k := range s {
		if k.self().Serves(i) {
			return k
		}
	}
	var none K
	return none
}
