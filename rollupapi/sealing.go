package rollupapi

import (
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// SealingScheme is how users seal: threshold ElGamal with the proofs of TDH2 on ristretto255.
const SealingScheme = "TDH2-RISTRETTO255"

// encryptionKey is a key with its proof of origin. Errors are Refusals, or the node's own trouble.
func (s *Server) encryptionKey(r *pb.GetEncryptionKeyRequest) (*pb.GetEncryptionKeyResponse, error) {
	key, err := s.admission.servingKey()
	if err == nil && r.GetKeyId() == 0 {
		err = s.synced() // another key may serve by now
	}
	if err != nil {
		return nil, err
	}
	if id := r.GetKeyId(); id != 0 {
		found, ok := s.admission.keys.find(id)
		if !ok {
			return nil, refuse(ReasonNotFound, "there is no key %d; key %d serves", id, key.ID).at("key_id")
		}
		key = found
	}
	m := &pb.EncryptionKey{
		Scheme: SealingScheme, KeyId: key.ID, Key: key.Public[:], Threshold: uint32(key.Threshold), Validators: uint32(len(key.Shares)),
		ValidFromCommit: uint64(key.From), ValidUntilCommit: uint64(key.Until), Attempt: key.Attempt, NetworkId: s.network.String(),
	}
	for i := range key.Shares {
		m.PublicShares = append(m.PublicShares, key.Shares[i][:])
	}
	if m.Origins, err = s.keyOrigins(key.ID, r); err != nil {
		return nil, err
	}
	return &pb.GetEncryptionKeyResponse{Key: m, Generation: s.keyGeneration(), Watermarks: s.watermarks()}, nil
}

// keyOrigins is the deals of a key, with as much of them as r asks for.
func (s *Server) keyOrigins(id uint64, r *pb.GetEncryptionKeyRequest) ([]*pb.KeyOrigin, error) {
	origins, err := s.backend.Sealing.SealingOrigins(id)
	if err != nil {
		return nil, fmt.Errorf("read the origins of key %d: %w", id, err)
	}
	out, room := make([]*pb.KeyOrigin, len(origins)), maxOriginBytes
	for i := range origins {
		o := &origins[i]
		out[i] = &pb.KeyOrigin{Dealer: o.Dealer.String(), Commit: uint64(o.Commit), Digest: o.Digest[:]}
		if r.GetWithDeals() {
			out[i].Deal = o.Deal
		}
		if !r.GetWithBlocks() || room < 0 {
			continue
		}
		block, err := s.dealBlock(o, keygen.KindDeal)
		if err != nil {
			return nil, err
		}
		if room -= len(block); room >= 0 {
			out[i].Block = block
		}
	}
	return out, nil
}

// dealBlock is the block that brought in a deal; nil if it is no longer kept.
func (s *Server) dealBlock(o *keygen.Origin, kind dag.SystemKind) ([]byte, error) {
	block, ok, err := s.backend.History.DealBlock(&ordering.Deal{Origin: *o, Message: kind})
	if err != nil {
		return nil, fmt.Errorf("read the block with the deal of %s from commit %d: %w", o.Dealer, o.Commit, err)
	}
	if !ok {
		return nil, nil
	}
	return block, nil
}

// keyGeneration is where the making of a key stands.
func (s *Server) keyGeneration() *pb.KeyGeneration {
	status := s.backend.Sealing.SealingStatus()
	m := newKeyGeneration(&status, s.backend.Committee)
	if key, ok := s.admission.keys.find(status.Serving); ok {
		m.ServingFromCommit, m.Threshold = uint64(key.From), uint32(key.Threshold)
	}
	return m
}

func newKeyGeneration(s *keygen.Status, c *dag.Committee) *pb.KeyGeneration {
	m := &pb.KeyGeneration{
		Phase: s.Phase.String(), KeyId: s.Key, Attempt: s.Attempt, Deals: uint32(s.Deals), Acks: uint32(s.Acks), Validators: uint32(c.Size()),
		DeadlineCommit: uint64(s.Deadline), ServingKeyId: s.Serving, Advice: s.Advice(),
	}
	for _, author := range s.Missing {
		m.Missing = append(m.Missing, c.Validator(author).Name)
	}
	for _, author := range s.Excluded {
		m.Excluded = append(m.Excluded, c.Validator(author).Name)
	}
	for _, author := range s.Flagged {
		m.Flagged = append(m.Flagged, c.Validator(author).Name)
	}
	return m
}
