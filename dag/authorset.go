package dag

import "math/bits"

// AuthorSet is a set of authors. The zero value is empty. Votes are counted in such sets, so that
// an author counts once however many blocks it makes.
type AuthorSet [MaxCommittee / 64]uint64

// Add puts a into the set.
func (s *AuthorSet) Add(a Author) { s[a/64] |= 1 << (a % 64) }

// Remove takes a out of the set.
func (s *AuthorSet) Remove(a Author) { s[a/64] &^= 1 << (a % 64) }

// Has reports whether a is in the set.
func (s *AuthorSet) Has(a Author) bool { return s[a/64]>>(a%64)&1 == 1 }

// Len is the number of authors in the set.
func (s *AuthorSet) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// Union is the authors in s or o.
func (s AuthorSet) Union(o AuthorSet) AuthorSet {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

// Intersect is the authors in both s and o.
func (s AuthorSet) Intersect(o AuthorSet) AuthorSet {
	for i := range s {
		s[i] &= o[i]
	}
	return s
}

// Minus is the authors in s and not in o.
func (s AuthorSet) Minus(o AuthorSet) AuthorSet {
	for i := range s {
		s[i] &^= o[i]
	}
	return s
}
