package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// EncryptionKey is a key of the network's committee: with it users seal, and anybody checks what was opened.
// It is immutable and safe for concurrent use.
type EncryptionKey struct {
	ID        uint64
	Attempt   uint32 // of the key generation that made it
	Threshold int    // so many validators' shares open
	Shares    [][]byte
	From      dag.CommitIndex // what is sealed with it is good from this commit on
	Until     dag.CommitIndex // to this one; 0 if it served when it was asked for
	Origins   []keygen.Origin // without their deals unless KeyWithDeals asked for them
	Blocks    [][]byte        // by origin: the signed block that holds the deal; nil where the node has it no longer

	key *seal.Key
}

// Network is the network that the key belongs to.
func (k *EncryptionKey) Network() crypto.Digest { return k.key.Network() }

// Bytes is h, the key itself.
func (k *EncryptionKey) Bytes() []byte { return k.key.Bytes() }

// EncryptionKey is the key that serves. It is kept until a node says that it is stale; the first call asks
// a node. A client with a committee proves it first, as ProveSigned does, once per key; where no node's
// answer holds the error wraps ErrOrigin. Before the network has a key the error is an *Error with reason
// SEALING_NOT_READY, which is retryable and says how far the key is.
func (c *Client) EncryptionKey(ctx context.Context) (*EncryptionKey, error) {
	if k := c.key.Load(); k != nil {
		return k, nil
	}
	k, err := c.askKey(ctx, 0)
	if err == nil {
		c.key.Store(k)
	}
	return k, err
}

// KeyByID is a key by its id, also one that no longer serves, 0 for the one that serves. Each call asks a
// node; a client with a committee proves what it answers as EncryptionKey does.
func (c *Client) KeyByID(ctx context.Context, id uint64) (*EncryptionKey, error) {
	return c.askKey(ctx, id)
}

// KeyWithDeals is KeyByID with the deals and blocks that Prove and ProveSigned need. It proves nothing itself.
func (c *Client) KeyWithDeals(ctx context.Context, id uint64) (*EncryptionKey, error) {
	var k *EncryptionKey
	err := c.try(ctx, func(e *endpoint) (err error) {
		k, err = e.askKey(ctx, withOrigin(id))
		return err
	})
	return k, err
}

// stale forgets a key that no longer serves.
func (c *Client) stale(k *EncryptionKey) { c.key.CompareAndSwap(k, nil) }

// askKey asks one node after the other for a key until one gives one that may be used.
func (c *Client) askKey(ctx context.Context, id uint64) (*EncryptionKey, error) {
	var k *EncryptionKey
	err := c.try(ctx, func(e *endpoint) (err error) {
		if k, err = e.askKey(ctx, &pb.GetEncryptionKeyRequest{KeyId: id}); err == nil && c.trust.committee != nil {
			k, err = c.trust.check(ctx, e, k)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// withOrigin asks for a key with all that proves it.
func withOrigin(id uint64) *pb.GetEncryptionKeyRequest {
	return &pb.GetEncryptionKeyRequest{KeyId: id, WithDeals: true, WithBlocks: true, MaxBytes: originBytes}
}

// askKey asks this node for a key, in as many answers as its origins take, and reads them, whatever they are worth.
func (e *endpoint) askKey(ctx context.Context, ask *pb.GetEncryptionKeyRequest) (*EncryptionKey, error) {
	k, more, err := e.askPart(ctx, ask)
	for err == nil && more {
		ask.KeyId, ask.FromOrigin = k.ID, uint32(len(k.Origins))
		var next *EncryptionKey
		if next, more, err = e.askPart(ctx, ask); err != nil {
			break
		}
		if err = next.equals(k); err == nil && (len(next.Origins) == 0 || len(k.Origins)+len(next.Origins) > dag.MaxCommittee) {
			err = fmt.Errorf("%w: the node does not go on behind %d deals of key %d, or for ever", ErrOrigin, len(k.Origins), k.ID)
		}
		k.Origins, k.Blocks = append(k.Origins, next.Origins...), append(k.Blocks, next.Blocks...)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// askPart reads one answer, and whether more follows.
func (e *endpoint) askPart(ctx context.Context, ask *pb.GetEncryptionKeyRequest) (*EncryptionKey, bool, error) {
	m, err := e.ingress.GetEncryptionKey(ctx, ask)
	if err != nil {
		return nil, false, fmt.Errorf("ask for encryption key: %w", asError(err))
	}
	k, err := newEncryptionKey(m.GetKey())
	if err != nil {
		return nil, false, fmt.Errorf("read encryption key: %w", err)
	}
	if id := ask.GetKeyId(); id != 0 && k.ID != id {
		return nil, false, fmt.Errorf("ask for encryption key %d: the node answers with key %d", id, k.ID)
	}
	return k, m.GetMore(), nil
}

func newEncryptionKey(m *pb.EncryptionKey) (*EncryptionKey, error) {
	if m.GetScheme() != rollupapi.SealingScheme {
		return nil, fmt.Errorf("scheme %q, this client knows %s", m.GetScheme(), rollupapi.SealingScheme)
	}
	network, err := crypto.ParseDigest(m.GetNetworkId())
	if err != nil {
		return nil, fmt.Errorf("network id: %w", err)
	}
	k := &EncryptionKey{
		ID: m.GetKeyId(), Attempt: m.GetAttempt(), Threshold: int(m.GetThreshold()), Shares: m.GetPublicShares(),
		From: dag.CommitIndex(m.GetValidFromCommit()), Until: dag.CommitIndex(m.GetValidUntilCommit()),
	}
	if k.key, err = seal.NewKey(network, k.ID, m.GetKey()); err != nil {
		return nil, err
	}
	for _, o := range m.GetOrigins() {
		origin := keygen.Origin{Commit: dag.CommitIndex(o.GetCommit()), Deal: o.GetDeal()}
		if origin.Dealer, err = dag.ParseAuthor(o.GetDealer()); err != nil {
			return nil, err
		}
		copy(origin.Digest[:], o.GetDigest())
		k.Origins, k.Blocks = append(k.Origins, origin), append(k.Blocks, o.GetBlock())
	}
	return k, nil
}

// ErrOrigin is wrapped where a key is not what its deals make.
var ErrOrigin = errors.New("key does not come from its deals")

// Prove makes the key again from its deals and compares: every deal is well-formed, made for this network,
// key and attempt by somebody who knows what it shares, by another dealer of the committee each; there
// are at least as many as shares open; and they add up to the key and its public shares. The committee
// is the caller's own, such as that of its genesis file; KeyWithDeals must have given k.
//
// One honest dealer keeps the secret from the others. That the deals are the committee's is the node's word:
// ProveSigned asks for more. Errors wrap ErrOrigin.
func (k *EncryptionKey) Prove(committee *dag.Committee) error {
	if committee.Network() != k.Network() {
		return fmt.Errorf("%w: it is of network %s, the committee of %s", ErrOrigin, k.Network(), committee.Network())
	}
	members := make([]crypto.KEMPublicKey, committee.Size())
	for i := range members {
		members[i] = committee.Validator(dag.Author(i)).KEM
	}
	run, err := dkg.NewRun(dkg.Context{Group: dkg.Ristretto255, Network: k.Network(), Key: k.ID, Attempt: k.Attempt}, members)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	if len(k.Origins) < run.Threshold() || k.Threshold != run.Threshold() {
		return fmt.Errorf("%w: %d deals and a threshold of %d, want at least %d and %d", ErrOrigin, len(k.Origins), k.Threshold, run.Threshold(), run.Threshold())
	}
	deals := make([]*dkg.Deal, len(k.Origins))
	for i := range k.Origins {
		o := &k.Origins[i]
		if deals[i], err = run.CheckDeal(int(o.Dealer), o.Deal); err != nil {
			return fmt.Errorf("%w: deal of %s: %w", ErrOrigin, o.Dealer, err)
		}
		if deals[i].Digest() != o.Digest {
			return fmt.Errorf("%w: deal of %s has digest %s, not %s", ErrOrigin, o.Dealer, deals[i].Digest(), o.Digest)
		}
	}
	public, err := run.Combine(deals)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	return k.compare(public)
}

// ProveSigned is Prove, and that every deal stands in a block that its dealer signed. A node that cheats
// would need the identity keys of the dealers. It cannot be done where the node does not have
// those blocks, which it should keep when it prunes: ask another one. That no other deal qualified is for who follows the whole log. Errors wrap ErrOrigin.
func (k *EncryptionKey) ProveSigned(committee *dag.Committee) error {
	if err := k.Prove(committee); err != nil {
		return err
	}
	for i := range k.Origins {
		o := &k.Origins[i]
		if len(k.Blocks) != len(k.Origins) || len(k.Blocks[i]) == 0 {
			return fmt.Errorf("%w: no block with the deal of %s: ask a node that keeps commit %d", ErrOrigin, o.Dealer, o.Commit)
		}
		verified, err := dag.Verify(committee, k.Blocks[i])
		if err != nil {
			return fmt.Errorf("%w: block of %s: %w", ErrOrigin, o.Dealer, err)
		}
		b := verified.Block()
		holds := slices.ContainsFunc(b.System, func(m dag.SystemMessage) bool {
			return m.Kind == keygen.KindDeal && bytes.Equal(m.Payload, o.Deal)
		})
		if b.Author != o.Dealer || !holds {
			return fmt.Errorf("%w: block %s does not hold the deal of %s", ErrOrigin, verified.Ref(), o.Dealer)
		}
	}
	return nil
}

// compare holds the key against what its deals add up to.
func (k *EncryptionKey) compare(public *dkg.Public) error {
	if !bytes.Equal(public.Key[:], k.Bytes()) {
		return fmt.Errorf("%w: they add up to %x, not %x", ErrOrigin, public.Key, k.Bytes())
	}
	if len(k.Shares) != len(public.Shares) {
		return fmt.Errorf("%w: %d public shares, want %d", ErrOrigin, len(k.Shares), len(public.Shares))
	}
	for i := range public.Shares {
		if !bytes.Equal(public.Shares[i][:], k.Shares[i]) {
			return fmt.Errorf("%w: another public share of %s", ErrOrigin, dag.Author(i))
		}
	}
	return nil
}
