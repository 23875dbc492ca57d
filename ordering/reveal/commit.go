package reveal

import (
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/ordering"
)

// MaxPart is how many ciphertexts one batch holds: a share of it takes 32 KiB, so that several fit a
// block.
const MaxPart = 1024

// commit is one commit that is being revealed.
type commit struct {
	ref      dag.CommitRef
	round    dag.Round
	key      *key // nil where none served
	outcomes []Outcome
	members  []*dag.Sealed // beside outcomes: what is sealed, nil once there is a verdict
	parts    []*part
	bytes    int // of the blocks that it keeps in memory
}

// part is one batch of it.
type part struct {
	batch    *seal.Batch
	at       []int // its members' places in outcomes
	combiner *seal.Combiner
	authors  dag.AuthorSet // who had its try
	fresh    bool          // a share came since the last attempt
	offered  bool
	said     bool   // the own share stands in an ordered block, so that everybody gets it
	own      []byte // the own share message, once it was made
	secret   *seal.SecretShare
}

// newCommit lays out the sealed items of c; nil if there are none. Items that nobody may open get
// their verdict at once.
func newCommit(c *ordering.Commit, k *key) *commit {
	out := &commit{ref: c.Ref(), round: c.Round, key: k}
	var valid []*seal.Ciphertext
	var at []int
	for i := range c.Accepted {
		a := &c.Accepted[i]
		item := &c.Bodies[a.Block].Block().Items[a.Item]
		if item.Kind != dag.KindSealed {
			continue
		}
		sealed := item.Sealed()
		outcome := Outcome{Index: uint32(i), Verdict: KeyStale}
		if id, err := seal.KeyID(sealed.Ciphertext); err != nil {
			outcome.Verdict = CiphertextInvalid
		} else if k != nil && id == k.ID {
			ciphertext, err := Verify(k.public.Key(), &sealed)
			if outcome.Verdict = CiphertextInvalid; err == nil {
				outcome.Verdict = 0
				valid, at = append(valid, ciphertext), append(at, len(out.outcomes))
			}
		}
		out.outcomes, out.members = append(out.outcomes, outcome), append(out.members, &sealed)
	}
	if len(out.outcomes) == 0 {
		return nil
	}
	for _, b := range c.Bodies {
		out.bytes += len(b.Bytes())
	}
	for first := 0; first < len(valid); first += MaxPart {
		end := min(first+MaxPart, len(valid))
		out.addPart(valid[first:end], at[first:end])
	}
	return out
}

// addPart makes the next batch. It panics if that cannot be made of verified ciphertexts of one key.
func (c *commit) addPart(ciphertexts []*seal.Ciphertext, at []int) {
	name := batchName(c.ref.Digest, len(c.parts))
	if mutant.Planted(mutant.ShareOtherBatch) {
		name = batchName(c.ref.Digest, len(c.parts)+1)
	}
	batch, err := seal.NewBatch(c.key.public.Key(), name, ciphertexts)
	if err != nil {
		panic("reveal: batch of verified ciphertexts: " + err.Error())
	}
	combiner, err := c.key.public.NewCombiner(batch)
	if err != nil {
		panic("reveal: combiner of the key's own batch: " + err.Error())
	}
	c.parts = append(c.parts, &part{batch: batch, at: at, combiner: combiner, secret: c.key.secret})
}

// offer is the own share message of a part that was not offered yet, nil for none.
func (c *commit) offer(i int) []byte {
	p := c.parts[i]
	if p.offered || p.said || p.secret == nil {
		return nil
	}
	p.offered = true
	if p.own == nil {
		share, err := p.secret.Decrypt(p.batch)
		if err != nil {
			p.secret = nil // it was erased: its commits are long revealed elsewhere
			return nil
		}
		p.own = message{commit: c.ref.Index, part: i, share: share.Encode()}.encode()
	}
	return p.own
}

// share takes a message for this commit.
func (c *commit) share(m message) error {
	if m.part >= len(c.parts) {
		return fmt.Errorf("%w: part %d of commit %d, which has %d", ErrShare, m.part, c.ref.Index, len(c.parts))
	}
	p := c.parts[m.part]
	switch {
	case p.combiner.Done():
		return nil
	case p.authors.Has(m.author):
		return nil // offered again, or a second try
	case len(m.share) != seal.ShareSize(p.batch.Len()):
		return fmt.Errorf("%w: %d bytes for %d ciphertexts", ErrShare, len(m.share), p.batch.Len())
	}
	p.authors.Add(m.author) // honest ones need no second try, and decoding costs a root per point
	share, err := seal.DecodeShare(m.share)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShare, err)
	}
	if share.Index() != int(m.author)+1 {
		return fmt.Errorf("%w: %v sends the share of index %d", ErrShare, m.author, share.Index())
	}
	if err := p.combiner.Add(share); err != nil {
		return fmt.Errorf("%w: %w", ErrShare, err)
	}
	p.fresh = true
	return nil
}

// work opens what can be opened.
func (c *commit) work() {
	for _, p := range c.parts {
		if !p.fresh || p.combiner.Done() || p.authors.Len() < c.key.Threshold {
			continue
		}
		p.fresh = false
		for i, r := range p.combiner.Combine() {
			c.decide(p.at[i], r)
		}
	}
}

// decide turns what a ciphertext came to into the verdict on its item.
func (c *commit) decide(at int, r seal.Result) {
	o := &c.outcomes[at]
	if o.Verdict != 0 {
		return
	}
	switch r.Verdict {
	case seal.Opened:
		o.Verdict, o.Opening = Opened, r.Opening
		if _, err := c.members[at].Content(r.Message); err != nil {
			o.Verdict = ContentInvalid
		}
	case seal.Invalid:
		o.Verdict = DecryptFailed
	case seal.Undecided:
		if mutant.Planted(mutant.InvalidUnverified) {
			o.Verdict = DecryptFailed
		}
	}
}

// decided reports whether every item has its verdict.
func (c *commit) decided() bool {
	for i := range c.outcomes {
		if c.outcomes[i].Verdict == 0 {
			return false
		}
	}
	return true
}

// owes reports whether a share of this validator stands in no ordered block yet.
func (c *commit) owes() bool {
	return slices.ContainsFunc(c.parts, func(p *part) bool { return p.secret != nil && !p.said })
}

func (c *commit) record() *Record {
	r := &Record{Commit: c.ref, Outcomes: c.outcomes}
	if c.key != nil {
		r.Key = c.key.ID
	}
	return r
}

// bad is whose shares were proven wrong.
func (c *commit) bad() []dag.Author {
	var out []dag.Author
	for _, p := range c.parts {
		for _, index := range p.combiner.Bad() {
			out = append(out, dag.Author(index-1))
		}
	}
	return out
}

// progress is the number of usable shares of the part that has the fewest, and who sent none for it.
func (c *commit) progress(members int) (have int, missing []dag.Author) {
	fewest := c.parts[0]
	for _, p := range c.parts {
		if !p.combiner.Done() && (fewest.combiner.Done() || len(p.combiner.Usable()) < len(fewest.combiner.Usable())) {
			fewest = p
		}
	}
	for a := range dag.Author(members) {
		if !fewest.authors.Has(a) {
			missing = append(missing, a)
		}
	}
	return len(fewest.combiner.Usable()), missing
}
