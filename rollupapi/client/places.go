package client

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// place reads a cursor that a node shows behind an item, or behind the end of a commit. It must stand there and nowhere
// else: whoever goes on from it later has nothing else to tell what was read. Its hash is the caller's to check.
func (l *ledger) place(text string, commit dag.CommitIndex, index uint32) (proof.Cursor, error) {
	c, err := proof.ParseCursor(text)
	if err != nil {
		return c, refuted(err)
	}
	want := proof.Cursor{Network: [proof.NetworkPrefix]byte(l.network[:]), Commit: commit, Index: index, Hash: c.Hash}
	if len(l.scope) == 1 {
		want.Scope, want.Namespace = proof.One, l.scope[0]
	}
	if c.Network != want.Network {
		return c, fmt.Errorf("%w: the node serves another network: cursors of %x, want %x", ErrProof, c.Network, want.Network)
	}
	if c != want {
		return c, fmt.Errorf("%w: what came with commit %d has the cursor of another place, in commit %d", ErrProof, commit, c.Commit)
	}
	return c, nil
}

// places checks the cursors behind all that was read of a commit, whose items hold.
func (l *ledger) places(m *pb.StreamResponse, h *ordering.CommitHeader) error {
	digest := h.ComputeDigest()
	for i := range l.held {
		items := l.held[i].Items
		for k := range items {
			if l.content != Items && items[k].Cursor == "" { // those of ids are left out
				continue
			}
			if err := l.placeOf(items[k].Cursor, &items[k], digest); err != nil {
				return err
			}
		}
		if err := l.placeOf(l.held[i].Cursor, &items[len(items)-1], digest); err != nil {
			return err
		}
	}
	c, err := l.place(m.GetCursor(), h.Index, proof.EndOfCommit)
	switch {
	case err != nil:
		return err
	case len(l.scope) != 1:
		return l.same(&c, digest)
	case l.content != Items:
		return nil
	}
	return l.chained(&c)
}

// placeOf checks the cursor behind an item, unless that is before the caller's own.
func (l *ledger) placeOf(text string, item *Item, digest crypto.Digest) error {
	c, err := l.place(text, item.Commit, item.Index)
	switch {
	case err != nil:
		return err
	case len(l.scope) != 1:
		return l.same(&c, digest)
	}
	if hash, known := l.behind[item.Index]; known {
		return l.same(&c, hash)
	}
	return nil
}

// same holds the hash of a cursor against what was read up to it.
func (l *ledger) same(c *proof.Cursor, hash crypto.Digest) error {
	if c.Hash != hash {
		return fmt.Errorf("%w: the cursor in commit %d is not what was read up to it", ErrProof, c.Commit)
	}
	return nil
}

// chained holds the hash of a cursor of one namespace against its chain, which begins with it if nothing is known of it.
func (l *ledger) chained(c *proof.Cursor) error {
	if chain := l.chains[c.Namespace]; chain != nil {
		return l.same(c, chain.Hash)
	}
	l.chains[c.Namespace], l.word = proof.NewChained(c.Namespace, c.Hash), true
	return nil
}

// watermark checks the word that there is nothing up to a cursor, and says whether the caller may go on from there: if
// the node proves it, or nothing lies between, or it is where the caller's tip is.
func (l *ledger) watermark(m *pb.StreamResponse) (bool, error) {
	c, err := proof.ParseCursor(m.GetCursor())
	if err == nil {
		_, err = l.place(m.GetCursor(), c.Commit, proof.EndOfCommit)
	}
	switch {
	case err != nil:
		return false, refuted(err)
	case l.placed && c.Commit < l.at.Index, l.resumed.Scope == proof.One && l.resumed.Commit != 0 && c.Commit >= l.resumed.Commit:
		return false, fmt.Errorf("%w: a heartbeat at commit %d behind commit %d", ErrProof, c.Commit, max(l.at.Index, l.resumed.Commit))
	case l.content != Items && len(l.scope) > 0:
		return true, nil
	}
	ref, chained, err := l.shown(m, &c)
	if err != nil {
		return false, err
	}
	here := !l.placed || c.Commit == l.at.Index
	switch {
	case !here && len(l.scope) == 0:
		return false, fmt.Errorf("%w: nothing up to commit %d, without the commits behind %d", ErrProof, c.Commit, l.at.Index)
	case !here && !chained:
		return false, nil
	case len(l.scope) == 1:
		err = l.chained(&c)
	case !ref.Digest.IsZero() || l.placed && ref.Index == 0:
		err = l.same(&c, ref.Digest)
	case l.placed:
		return false, nil // nobody has shown what stands there
	default:
		ref.Digest = c.Hash
	}
	if err != nil {
		return false, err
	}
	l.placed, l.at = true, ref
	if c.Commit >= l.resumed.Commit {
		l.resumed = proof.Cursor{}
	}
	return true, nil
}

// shown is the commit of a watermark, with its digest if that is known, and whether the chains are proven to reach there.
func (l *ledger) shown(m *pb.StreamResponse, c *proof.Cursor) (ref dag.CommitRef, chained bool, err error) {
	ref.Index = c.Commit
	if l.placed && c.Commit == l.at.Index {
		ref.Digest = l.at.Digest
	}
	shown := m.GetProof()
	if shown == nil || len(l.scope) == 0 {
		return ref, false, nil
	}
	h, err := ordering.DecodeHeader(shown.GetHeader())
	if err != nil {
		return ref, false, refuted(err)
	}
	if h.Index != c.Commit || !ref.Digest.IsZero() && h.ComputeDigest() != ref.Digest {
		return ref, false, fmt.Errorf("%w: commit %v was %v before, or is not where the cursor stands", ErrProof, h.Ref(), ref)
	}
	if len(shown.GetChains()) == 0 {
		return h.Ref(), false, nil
	}
	return h.Ref(), true, l.heads(&h, shown)
}
