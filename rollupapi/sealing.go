package rollupapi

import (
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
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
	origins, err := s.backend.Sealing.SealingOrigins(key.ID)
	if err != nil {
		return nil, fmt.Errorf("read the origins of key %d: %w", key.ID, err)
	}
	page := s.originPage(originParts{deals: r.GetWithDeals(), blocks: r.GetWithBlocks()}, r.GetMaxBytes())
	if m.Origins, err = page.take(origins, keygen.KindDeal, r.GetFromOrigin()); err != nil {
		return nil, err
	}
	return &pb.GetEncryptionKeyResponse{Key: m, Generation: s.keyGeneration(), Watermarks: s.watermarks(), More: page.more}, nil
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
