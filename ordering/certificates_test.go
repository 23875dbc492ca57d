package ordering

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
)

// certifyingCluster is a cluster whose nodes sign checkpoints beside their engines, and combine what they see.
type certifyingCluster struct {
	*sealingCluster
	public    []*certify.Committee // by node, once it has the key
	secrets   []*certify.Share
	partials  []map[dag.CommitIndex][]certify.Partial
	certified []map[dag.CommitIndex]certified
}

// certified is a signature of the committee with when it was there.
type certified struct {
	signature certify.Signature
	at        time.Duration
}

func newCertifyingCluster(t testing.TB, n int, seed uint64) *certifyingCluster {
	t.Helper()
	s := &certifyingCluster{public: make([]*certify.Committee, n), secrets: make([]*certify.Share, n)}
	for range n {
		s.partials = append(s.partials, make(map[dag.CommitIndex][]certify.Partial))
		s.certified = append(s.certified, make(map[dag.CommitIndex]certified))
	}
	s.sealingCluster = newKeyedCluster(t, n, seed, func(cfg *Config) { cfg.Certification = WithCertificates })
	s.seen = s.watch
	return s
}

// watch is what a node does beside its engine.
func (s *certifyingCluster) watch(i int, r *Ready) {
	for _, k := range r.CertificateKeys {
		var err error
		if s.public[i], err = certify.NewCommittee(k.Key.Public, k.Key.Threshold, k.Key.Shares); err != nil {
			s.t.Fatal(err)
		}
		if s.secrets[i], err = certify.NewShare(k.Share[:]); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, c := range r.Commits {
		if s.secrets[i] != nil && c.Checkpoint() == c.Index {
			signed := []Signed{{c.Index, s.secrets[i].Sign(s.message(c))}}
			s.send(delivery{at: s.now + time.Millisecond, to: i, event: SignaturesMade{signed}})
		}
	}
	for _, seen := range r.Signatures {
		signed, err := DecodeSigned(seen.Payload)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, o := range signed {
			s.partials[i][o.Commit] = append(s.partials[i][o.Commit], certify.Partial{Member: int(seen.Block.Author), Signature: o.Signature})
			s.combine(i, o.Commit)
		}
	}
}

func (s *certifyingCluster) message(c *Commit) [32]byte {
	return certify.Message(s.committee.Network(), uint64(c.Epoch), uint64(c.Index), c.Digest)
}

func (s *certifyingCluster) combine(i int, at dag.CommitIndex) {
	partials := s.partials[i][at]
	if s.public[i] == nil || len(partials) != s.public[i].Threshold() || int(at) > len(s.nodes[i].commits) {
		return
	}
	signature, err := s.public[i].Combine(partials)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.public[i].Public().Verify(s.message(s.nodes[i].commits[at-1]), signature); err != nil {
		s.t.Fatalf("certificate of commit %d at node %d: %v", at, i, err)
	}
	s.certified[i][at] = certified{signature, s.now}
}

func (s *certifyingCluster) everybodyHasAKey() bool {
	for i := range s.nodes {
		if s.public[i] == nil && !s.nodes[i].down {
			return false
		}
	}
	return true
}

// TestCommitsAreCertified: all nodes come to the same checkpoints and the same certificates, idle and under load,
// also with one validator silent.
func TestCommitsAreCertified(t *testing.T) {
	s := newCertifyingCluster(t, 4, 1)
	s.until("everybody has a key", s.everybodyHasAKey)
	idle := len(s.nodes[0].commits)
	s.run(5 * time.Second)
	loaded := len(s.nodes[0].commits)
	for range 300 {
		s.submit(0, fmt.Sprint("item ", s.now))
		s.run(10 * time.Millisecond)
	}
	silent := len(s.nodes[0].commits)
	s.nodes[3].down = true
	s.run(5 * time.Second)
	s.agree()
	for i := range s.nodes {
		for at, c := range s.certified[i] {
			if other, ok := s.certified[0][at]; !ok || other.signature != c.signature {
				t.Errorf("node %d has a certificate of commit %d that node 0 does not have", i, at)
			}
		}
	}
	count := func(from, to int) (checkpoints, certificates int) {
		for _, c := range s.nodes[0].commits[from:to] {
			if c.Checkpoint() == c.Index {
				checkpoints++
			}
			if _, ok := s.certified[0][c.Index]; ok {
				certificates++
			}
		}
		return
	}
	for _, part := range []struct {
		name     string
		from, to int
		least    int
		most     int
	}{
		{"idle", idle, loaded, 4, 6},
		{"under load", loaded, silent, 30, 64},
		{"with one silent", silent, len(s.nodes[0].commits), 4, 6},
	} {
		checkpoints, certificates := count(part.from, part.to)
		t.Logf("%s: %d commits, %d checkpoints, %d certificates", part.name, part.to-part.from, checkpoints, certificates)
		if checkpoints < part.least || checkpoints > part.most || certificates < checkpoints-2 || certificates > checkpoints {
			t.Errorf("%s: %d commits, %d checkpoints, %d certificates", part.name, part.to-part.from, checkpoints, certificates)
		}
	}
}

// TestSignaturesKeepNobodyAwake: an idle network that certifies makes no more commits than one that does not.
func TestSignaturesKeepNobodyAwake(t *testing.T) {
	s := newCertifyingCluster(t, 4, 2)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.run(time.Second)
	before := len(s.nodes[0].commits)
	const idle = 20 * time.Second
	s.run(idle)
	if made := len(s.nodes[0].commits) - before; made > int(idle/(100*time.Millisecond)) {
		t.Errorf("an idle network made %d commits in %v", made, idle)
	}
	if len(s.certified[0]) < 15 {
		t.Errorf("%d certificates", len(s.certified[0]))
	}
}

// TestWhoWaitsIsCertifiedSoon: in an idle network an item is certified soon after it is committed, and not with
// the next keep-alive.
func TestWhoWaitsIsCertifiedSoon(t *testing.T) {
	s := newCertifyingCluster(t, 4, 3)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.run(2 * time.Second)
	var committed time.Duration
	watch := s.seen
	s.seen = func(i int, r *Ready) {
		for _, c := range r.Commits {
			if i == 0 && len(c.Accepted) > 0 {
				committed = s.now
			}
		}
		watch(i, r)
	}
	for range 5 {
		s.run(1234 * time.Millisecond)
		committed = 0
		s.submit(0, fmt.Sprint("item ", s.now))
		s.run(900 * time.Millisecond)
		var head dag.CommitIndex
		for _, c := range s.nodes[0].commits {
			if len(c.Accepted) > 0 {
				head = c.Index
			}
		}
		var soonest time.Duration
		for at, c := range s.certified[0] {
			if at >= head && (soonest == 0 || c.at < soonest) {
				soonest = c.at
			}
		}
		if wait := soonest - committed; committed == 0 || soonest == 0 || wait > 60*time.Millisecond {
			t.Errorf("committed at %v, certified at %v", committed, soonest)
		}
	}
}

// TestCertificatesAfterRestart: a node that restarts has its key again, and all come to the same checkpoints.
func TestCertificatesAfterRestart(t *testing.T) {
	s := newCertifyingCluster(t, 4, 4)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.run(1500 * time.Millisecond)
	key := s.public[1].Public()
	s.public[1], s.secrets[1] = nil, nil
	s.again(1)
	s.run(5 * time.Second)
	s.agree()
	if s.public[1] == nil || s.public[1].Public() != key {
		t.Fatal("the node has another key")
	}
	newest := func(i int) (at dag.CommitIndex) {
		for j := range s.certified[i] {
			at = max(at, j)
		}
		return
	}
	if a, b := newest(0), newest(1); a != b || s.certified[0][a].signature != s.certified[1][a].signature {
		t.Errorf("certified up to %d and %d", a, b)
	}
	status := s.nodes[1].engine.Status().CertificateKeygen
	if status.Serving == 0 {
		t.Errorf("%+v", status)
	}
}

func TestSignatureQueue(t *testing.T) {
	s := newCertifyingCluster(t, 4, 5)
	s.until("everybody has a key", s.everybodyHasAKey)
	e := s.nodes[0].engine
	head := e.Head().Index
	for i := dag.CommitIndex(1); i < MaxSigned+10; i++ {
		e.Step(SignaturesMade{[]Signed{{Commit: min(i, head)}}})
	}
	e.Step(SignaturesMade{[]Signed{{Commit: head + 1}, {Commit: head}, {Commit: 1}}})
	queue := e.certificates.queue
	if len(queue) == 0 || len(queue) > MaxSigned || queue[len(queue)-1].Commit != head {
		t.Errorf("%d signatures wait, the last of commit %d; the head is %d", len(queue), queue[len(queue)-1].Commit, head)
	}
	for i := 1; i < len(queue); i++ {
		if queue[i].Commit <= queue[i-1].Commit {
			t.Errorf("commit %d after %d", queue[i].Commit, queue[i-1].Commit)
		}
	}
}

// TestOneMessageOfSignaturesCounts: a block full of messages brings one, and one that is too long brings none, so that
// nobody crowds out what others sign.
func TestOneMessageOfSignaturesCounts(t *testing.T) {
	s := newCertifyingCluster(t, 4, 6)
	e := s.nodes[0].engine
	var parents []dag.Ref
	for a := range dag.Author(4) {
		parents = append(parents, e.cfg.Committee.Genesis((a+1)%4))
	}
	signed := make([]Signed, MaxSigned)
	for i := range signed {
		signed[i].Commit = dag.CommitIndex(i)
	}
	full := dag.SystemMessage{Kind: KindSignatures, Payload: EncodeSigned(signed)}
	long := dag.SystemMessage{Kind: KindSignatures, Payload: append(EncodeSigned(signed), EncodeSigned(signed[:1])...)}
	for name, test := range map[string]struct {
		system []dag.SystemMessage
		want   int
	}{
		"many": {slices.Repeat([]dag.SystemMessage{full}, 100), 1}, "long": {[]dag.SystemMessage{long, full}, 0}, "none": {nil, 0},
	} {
		b, err := dag.Seal(e.cfg.Committee, dag.Block{Epoch: e.cfg.Committee.Epoch(), Round: 1, Author: 1, Parents: parents, System: test.system}, s.nodes[1].engine.cfg.Signer)
		if err != nil {
			t.Fatal(err)
		}
		e.ready.Signatures = nil
		e.signaturesSeen(b)
		if got := e.ready.Signatures; len(got) != test.want || test.want > 0 && !bytes.Equal(got[0].Payload, full.Payload) {
			t.Errorf("%s: %d messages", name, len(got))
		}
	}
}

func TestSignedEncoding(t *testing.T) {
	signed := []Signed{{3, certify.Signature{1}}, {4, certify.Signature{2}}, {9, certify.Signature{3}}}
	raw := EncodeSigned(signed)
	again, err := DecodeSigned(raw)
	if err != nil || len(again) != 3 || again[1] != signed[1] || !bytes.Equal(EncodeSigned(again), raw) {
		t.Errorf("%+v, %v", again, err)
	}
	var many []Signed
	for i := range dag.CommitIndex(MaxSigned + 1) {
		many = append(many, Signed{Commit: i})
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut": raw[:len(raw)-1], "too long": append(bytes.Clone(raw), 0), "too many": EncodeSigned(many),
		"one twice":   EncodeSigned([]Signed{{3, certify.Signature{}}, {3, certify.Signature{}}}),
		"not ordered": EncodeSigned([]Signed{{3, certify.Signature{}}, {2, certify.Signature{}}}),
	} {
		if _, err := DecodeSigned(b); !errors.Is(err, ErrSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecodeSigned: whatever is read is written back as it was.
func FuzzDecodeSigned(f *testing.F) {
	f.Add(EncodeSigned([]Signed{{3, certify.Signature{1}}, {7, certify.Signature{2}}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if signed, err := DecodeSigned(raw); err == nil && !bytes.Equal(EncodeSigned(signed), raw) {
			t.Errorf("%x is read as %+v", raw, signed)
		}
	})
}

func TestCheckpointRule(t *testing.T) {
	p := checkpoints{last: 10, at: 5000}
	for _, step := range []struct {
		index dag.CommitIndex
		time  uint64
		items int
		want  dag.CommitIndex
	}{
		{11, 5010, 1, 10},
		{12, 5049, 0, 10},
		{13, 5050, 0, 13},
		{14, 5200, 0, 13},
		{15, 6049, 0, 13},
		{16, 6050, 0, 16},
		{17, 6051, 1, 16},
		{18, 6051, 3, 16},
		{271, 6051, 0, 16},
		{272, 6051, 0, 272},
		{273, 9000, 2, 273},
	} {
		c := &Commit{CommitHeader: CommitHeader{Index: step.index, Time: step.time}, Accepted: make([]Accepted, step.items)}
		p.close(c)
		if p.last != step.want {
			t.Fatalf("after commit %d: %+v, want %d", step.index, p, step.want)
		}
		var again checkpoints
		if rest, err := again.decode(append(p.append(nil), 7)); err != nil || again != p || len(rest) != 1 {
			t.Fatalf("%+v reads back as %+v, %v", p, again, err)
		}
		c.Resume = p.append([]byte{0})
		if c.Checkpoint() != step.want {
			t.Fatalf("commit %d names checkpoint %d", step.index, c.Checkpoint())
		}
	}
	for _, b := range [][]byte{nil, make([]byte, checkpointsSize-1), append(make([]byte, checkpointsSize-1), 2)} {
		if _, err := p.decode(b); !errors.Is(err, ErrCommit) {
			t.Errorf("%x: %v", b, err)
		}
	}
	if (&Commit{}).Checkpoint() != 0 {
		t.Error("a malformed commit names a checkpoint")
	}
}
