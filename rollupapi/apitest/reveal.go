package apitest

import (
	"testing"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// RevealNext opens the oldest commit that is not revealed, with the shares of 2f+1 validators. There
// must be one.
func (c *Chain) RevealNext(t testing.TB) *reveal.Record {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealing.revealed == dag.CommitIndex(len(c.commits)) {
		t.Fatal("there is nothing to reveal")
	}
	commit := c.commits[c.sealing.revealed]
	record := c.open(t, commit)
	c.sealing.records[commit.Index] = record
	c.advance()
	c.ring()
	return record
}

// RevealAll opens all commits.
func (c *Chain) RevealAll(t testing.TB) {
	t.Helper()
	for h := c.Heads(); h.Revealed < h.Committed; h = c.Heads() {
		c.RevealNext(t)
	}
}

// advance moves revealed over what has nothing to reveal or is revealed.
func (c *Chain) advance() {
	for int(c.sealing.revealed) < len(c.commits) {
		next := c.commits[c.sealing.revealed]
		if _, ok := c.sealing.records[next.Index]; !ok && len(sealedOf(next)) > 0 {
			return
		}
		c.sealing.revealed++
	}
}

// sealedOf is the sealed items of a commit, by their index in it.
func sealedOf(commit *ordering.Commit) map[uint32]dag.Sealed {
	out := map[uint32]dag.Sealed{}
	for i, a := range commit.Accepted {
		if item := &commit.Bodies[a.Block].Block().Items[a.Item]; item.Kind == dag.KindSealed {
			out[uint32(i)] = item.Sealed()
		}
	}
	return out
}

// open comes to the verdicts on a commit's sealed items.
func (c *Chain) open(t testing.TB, commit *ordering.Commit) *reveal.Record {
	t.Helper()
	record := &reveal.Record{Commit: commit.Ref()}
	var serving *madeKey
	for _, key := range c.sealing.keys {
		if key.Serves(commit.Index) {
			serving, record.Key = key, key.ID
		}
	}
	sealed := sealedOf(commit)
	var batch []*seal.Ciphertext
	var members []int // places of the batch's items in record
	for i := range uint32(len(commit.Accepted)) {
		s, ok := sealed[i]
		if !ok {
			continue
		}
		outcome := reveal.Outcome{Index: i, Verdict: reveal.CiphertextInvalid}
		if id, err := seal.KeyID(s.Ciphertext); err == nil && id != record.Key {
			outcome.Verdict = reveal.KeyStale
		} else if ciphertext, err := reveal.Verify(serving.seal, &s); err == nil {
			batch, members = append(batch, ciphertext), append(members, len(record.Outcomes))
		}
		record.Outcomes = append(record.Outcomes, outcome)
	}
	if len(batch) == 0 {
		return record
	}
	for i, result := range serving.combine(t, commit, batch) {
		outcome := &record.Outcomes[members[i]]
		if outcome.Verdict = reveal.DecryptFailed; result.Verdict == seal.Opened {
			outcome.Verdict, outcome.Opening = reveal.Opened, result.Opening
			s := sealed[outcome.Index]
			if _, err := s.Content(result.Message); err != nil {
				outcome.Verdict = reveal.ContentInvalid
			}
		}
	}
	return record
}

// combine opens a batch with as many shares as it takes.
func (k *madeKey) combine(t testing.TB, commit *ordering.Commit, ciphertexts []*seal.Ciphertext) []seal.Result {
	t.Helper()
	batch, err := seal.NewBatch(k.seal, commit.Digest, ciphertexts)
	if err != nil {
		t.Fatal(err)
	}
	combiner, err := k.public.NewCombiner(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range k.secrets[:k.Threshold] {
		share, err := secret.Decrypt(batch)
		if err == nil {
			err = combiner.Add(share)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	results := combiner.Combine()
	if !combiner.Done() {
		t.Fatal("the shares do not open the batch")
	}
	return results
}
