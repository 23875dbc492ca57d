package dkg

import (
	"github.com/dunlin-network/dunlin/crypto"
)

// ComplaintSize is the size of a Complaint in bytes.
const ComplaintSize = ElementSize + proofSize

// Complaint lets everybody open the share that a deal holds for the accuser: the Diffie-Hellman point
// D = E^q (32 bytes) and a proof (64 bytes) that it has the same logarithm to E as the accuser's KEM
// key to g. It says nothing about any other share.
type Complaint [ComplaintSize]byte

// Verdict is what a complaint proves.
type Verdict uint8

// The verdicts. They are the same on every node.
const (
	DealerGuilty Verdict = iota + 1 // the deal holds no good share for the accuser
	AccuserWrong                    // it does, or the complaint is none
)

// String is the verdict in words.
func (v Verdict) String() string {
	switch v {
	case DealerGuilty:
		return "dealer guilty"
	case AccuserWrong:
		return "accuser wrong"
	}
	return "no verdict"
}

// Complain is member's complaint about its share of d; member is the owner of the secret. It is the same
// bytes each time. It gives the share away, so it is for shares that CheckShare found bad.
func (r *Run) Complain(d *Deal, member int, secret *crypto.KEMKey) Complaint {
	q := secretScalar(secret)
	point := power(d.ephemeral, q)
	claim := r.claim(d, member, point)
	nonce := newSeed(secret).scalar(tagNonce, claim)
	c := claimChallenge(claim, basePower(nonce), power(d.ephemeral, nonce))
	var out Complaint
	encoded := encodeElement(point)
	answer(c, nonce, q).append(append(out[:0], encoded[:]...))
	return out
}

// Judge says what the complaint of accuser about its share of d proves, whatever the bytes are; 0.3 ms
// with 100 members.
func (r *Run) Judge(d *Deal, accuser int, complaint Complaint) Verdict {
	point, err := decodeElement(complaint[:ElementSize])
	if err != nil {
		return AccuserWrong
	}
	p, err := decodeProof(complaint[ElementSize:])
	if err != nil {
		return AccuserWrong
	}
	overBase := basePowerMinus(p.answer, r.points[accuser], p.challenge)
	overEphemeral := powerMinus(d.ephemeral, p.answer, point, p.challenge)
	if claimChallenge(r.claim(d, accuser, point), overBase, overEphemeral).Equal(p.challenge) != 1 {
		return AccuserWrong
	}
	if _, err := r.openWith(d, accuser, point); err != nil {
		return DealerGuilty
	}
	return AccuserWrong
}

// claim is what a complaint's proof is about.
func (r *Run) claim(d *Deal, accuser int, point *element) []byte {
	e, dh := encodeElement(d.ephemeral), encodeElement(point)
	return tuple(r.bound, position(d.dealer), position(accuser), d.body, r.members[accuser][:], e[:], dh[:])
}

func claimChallenge(claim []byte, overBase, overEphemeral *element) *number {
	a, b := encodeElement(overBase), encodeElement(overEphemeral)
	return hashToScalar(tagComplaint, claim, a[:], b[:])
}
