package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
)

// ack is an acknowledgement. Its encoding, integers big-endian:
//
//	version 1 | key 8 | attempt 4 | digest of the candidates 32 |
//	complaints 2 x (dealer 2, complaint 96), by ascending dealer
type ack struct {
	key        uint64
	attempt    uint32
	candidates crypto.Digest
	complaints []complaint
}

type complaint struct {
	dealer dag.Author
	opened dkg.Complaint
}

const (
	ackVersion    = 1
	ackFixed      = 1 + 8 + 4 + crypto.DigestSize + 2
	complaintSize = 2 + dkg.ComplaintSize
)

func (a *ack) encode() []byte {
	b := make([]byte, 0, ackFixed+len(a.complaints)*complaintSize)
	b = append(b, ackVersion)
	b = binary.BigEndian.AppendUint64(b, a.key)
	b = binary.BigEndian.AppendUint32(b, a.attempt)
	b = append(b, a.candidates[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(a.complaints)))
	for i := range a.complaints {
		b = binary.BigEndian.AppendUint16(b, uint16(a.complaints[i].dealer))
		b = append(b, a.complaints[i].opened[:]...)
	}
	return b
}

// decodeAck reads what encode wrote, for a committee of n. It takes no computation in the group.
func decodeAck(raw []byte, n int) (*ack, error) {
	if len(raw) < ackFixed || raw[0] != ackVersion {
		return nil, fmt.Errorf("%w: acknowledgement of %d bytes or of another version", ErrMalformed, len(raw))
	}
	a := &ack{key: binary.BigEndian.Uint64(raw[1:]), attempt: binary.BigEndian.Uint32(raw[9:])}
	copy(a.candidates[:], raw[13:])
	count := int(binary.BigEndian.Uint16(raw[ackFixed-2:]))
	rest := raw[ackFixed:]
	if count > n || len(rest) != count*complaintSize {
		return nil, fmt.Errorf("%w: %d complaints in %d bytes, with %d validators", ErrMalformed, count, len(rest), n)
	}
	for i := range count {
		c := complaint{dealer: dag.Author(binary.BigEndian.Uint16(rest[i*complaintSize:]))}
		copy(c.opened[:], rest[i*complaintSize+2:])
		if int(c.dealer) >= n || (i > 0 && c.dealer <= a.complaints[i-1].dealer) {
			return nil, fmt.Errorf("%w: complaint about dealer %d is out of order", ErrMalformed, c.dealer)
		}
		a.complaints = append(a.complaints, c)
	}
	return a, nil
}
