// Package receipt makes and checks the receipts that a node signs for what it has taken. It stands on
// crypto alone: whoever holds a receipt checks it without a node.
//
// A receipt says: node, an ed25519 key, took so many items, whose ids in their order have the Merkle root
// ids_root, when its DAG had come to seen_round. The ids are those of the call's items that were not
// refused. The signature is that of crypto.PublicKey.Verify under the domain dunlin/receipt/1 over
//
//	Hash("dunlin/receipt/1", network 32 | node 32 | ids_root 32 | ids 4 | seen_round 8)
//
// with integers big-endian, every part prefixed by its length in 4 bytes and the hash SHA-256, as
// crypto.Hash has it. The tree is crypto.MerkleRoot's, so that crypto.VerifyMerkle shows one id of many.
package receipt

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// MaxIDs is how many ids one receipt may cover: as many as one call may submit.
const MaxIDs = 4096

// Receipt is a node's signed word. Its JSON form has hex without 0x for digests, key and signature.
type Receipt struct {
	Node      crypto.PublicKey
	IDsRoot   crypto.Digest
	IDs       uint32
	SeenRound uint64
	Signature crypto.Signature
}

// Sign makes the receipt of a node for ids, of which there is at least one and at most MaxIDs.
func Sign(network crypto.Digest, key *crypto.IdentityKey, ids []crypto.Digest, seenRound uint64) Receipt {
	r := Receipt{Node: key.Public(), IDsRoot: crypto.MerkleRoot(ids), IDs: uint32(len(ids)), SeenRound: seenRound}
	r.Signature = key.Sign(crypto.DomainReceipt, r.digest(network))
	return r
}

// Verify checks that the receipt's node took exactly these ids, in this order, on this network. All
// arguments may come from outside. It says nothing about who the node is: compare Node.
func (r *Receipt) Verify(network crypto.Digest, ids []crypto.Digest) error {
	switch {
	case len(ids) == 0 || len(ids) > MaxIDs:
		return fmt.Errorf("receipt for %d ids: give the 1 to %d ids of the call that were not refused", len(ids), MaxIDs)
	case uint64(len(ids)) != uint64(r.IDs):
		return fmt.Errorf("the receipt covers %d ids, %d were given: leave out those that were refused", r.IDs, len(ids))
	case crypto.MerkleRoot(ids) != r.IDsRoot:
		return errors.New("the receipt covers other ids, or these in another order")
	case !r.Node.Verify(crypto.DomainReceipt, r.digest(network), r.Signature):
		return fmt.Errorf("the receipt's signature is not that of node %s on network %s", r.Node, network)
	}
	return nil
}

// digest is what the node signs.
func (r *Receipt) digest(network crypto.Digest) crypto.Digest {
	ids := binary.BigEndian.AppendUint32(nil, r.IDs)
	round := binary.BigEndian.AppendUint64(nil, r.SeenRound)
	return crypto.Hash(crypto.DomainReceipt, network[:], r.Node[:], r.IDsRoot[:], ids, round)
}

// form is the receipt in JSON.
type form struct {
	Node      crypto.PublicKey `json:"node_id"`
	IDsRoot   crypto.Digest    `json:"ids_root"`
	IDs       uint32           `json:"ids"`
	SeenRound uint64           `json:"seen_round"`
	Signature crypto.Signature `json:"signature"`
}

// MarshalJSON writes the JSON form.
func (r Receipt) MarshalJSON() ([]byte, error) { return json.Marshal(form(r)) }

// UnmarshalJSON reads the JSON form.
func (r *Receipt) UnmarshalJSON(raw []byte) error {
	var f form
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read receipt: %w", err)
	}
	*r = Receipt(f)
	return nil
}
