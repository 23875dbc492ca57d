package dag

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
)

// Genesis is what the nodes of a network agree on before its first block. The id of the network
// is the digest of its one encoding.
//
// A Genesis that DecodeGenesis returned or Check accepted must not be changed afterwards.
type Genesis struct {
	Version    int                `json:"version"`             // GenesisVersion
	Chain      string             `json:"chain"`               // the network's name, for humans
	Created    uint64             `json:"created"`             // Unix milliseconds
	Continues  *Continuation      `json:"continues,omitempty"` // nil for a network without a predecessor
	Sealing    SealingRule        `json:"sealing"`             // the zero value stands for PlainSealing of the validators
	Validators []GenesisValidator `json:"validators"`
	Namespaces []NamespaceRule    `json:"namespaces"`
	Admin      AdminRule          `json:"admin,omitzero"` // who may change the namespaces; their owners alone if it is left out
}

// Continuation names the network that a new one takes over from, because it could not go on, and up to where
// its order counts. The new network's own order begins anew behind it, with commit 1.
type Continuation struct {
	Network crypto.Digest `json:"network"`
	Commit  CommitIndex   `json:"commit"` // the last that counts; 0 where there was none
	Digest  crypto.Digest `json:"digest"` // of that commit
}

// GenesisValidator is one member of the first committee; its place in the list is its Author.
type GenesisValidator struct {
	Name string `json:"name"`
	crypto.PublicKeys
}

// SealingRule says how the network hides contents until their order is fixed. It stands in the genesis so
// that other forms of the scheme can come without another format.
type SealingRule struct {
	Scheme  string `json:"scheme"`
	Privacy int    `json:"privacy"` // so many validators together learn nothing
	Packing int    `json:"packing"` // ciphertexts that one element of a share opens
}

// SealingScheme is threshold ElGamal with the validity proofs of TDH2 on ristretto255.
const SealingScheme = "tdh2-ristretto255"

// PlainSealing is the one rule so far: of n validators 2f learn nothing, each ciphertext is opened by
// itself.
func PlainSealing(n int) SealingRule {
	return SealingRule{Scheme: SealingScheme, Privacy: 2 * ((n - 1) / 3), Packing: 1}
}

// ErrGenesis wraps everything that can be wrong with a genesis file. Every such error says what
// to do about it.
var ErrGenesis = errors.New("unusable genesis")

// Encode is the one encoding: indented JSON with a line feed at the end.
func (g *Genesis) Encode() []byte {
	canonical := *g
	if canonical.Validators == nil {
		canonical.Validators = []GenesisValidator{}
	}
	if canonical.Namespaces == nil {
		canonical.Namespaces = []NamespaceRule{}
	}
	if canonical.Sealing == (SealingRule{}) {
		canonical.Sealing = PlainSealing(len(canonical.Validators))
	}
	if !canonical.Admin.IsZero() && canonical.Admin.Keys == nil {
		canonical.Admin.Keys = []crypto.PublicKey{}
	}
	raw, err := json.MarshalIndent(&canonical, "", "  ")
	if err != nil {
		panic("dag: genesis does not encode: " + err.Error())
	}
	return append(raw, '\n')
}

// DecodeGenesis reads and checks a genesis file. Space between the words of the JSON does not
// matter; otherwise the text must be what Encode writes, so that no two readers can understand it
// differently. Errors wrap ErrGenesis.
func DecodeGenesis(raw []byte) (*Genesis, error) {
	g, err := parseGenesis(raw)
	if err != nil {
		return nil, err
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	return g, nil
}

// parseGenesis reads the text without asking whether a network can start from it.
func parseGenesis(raw []byte) (*Genesis, error) {
	if len(raw) > MaxGenesisBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d: is this the genesis file?", ErrGenesis, len(raw), MaxGenesisBytes)
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &version); err != nil {
		return nil, fmt.Errorf("%w: %w: get the file again from the network's operators", ErrGenesis, err)
	}
	if err := checkVersion(version.Version); err != nil {
		return nil, err
	}
	g := &Genesis{}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(g); err != nil {
		return nil, fmt.Errorf("%w: %w: get the file again from the network's operators", ErrGenesis, err)
	}
	if err := sameText(raw, g.Encode()); err != nil {
		return nil, err
	}
	return g, nil
}

func checkVersion(version int) error {
	if version != GenesisVersion {
		return fmt.Errorf("%w: version %d, this program reads version %d: use the program of that version", ErrGenesis, version, GenesisVersion)
	}
	return nil
}

// sameText finds what the decoder overlooks: repeated fields, fields in another order or case,
// strings written with escapes.
func sameText(raw, canonical []byte) error {
	var got, want bytes.Buffer
	if err := errors.Join(json.Compact(&got, raw), json.Compact(&want, canonical)); err != nil {
		return fmt.Errorf("%w: %w: get the file again from the network's operators", ErrGenesis, err)
	}
	g, w := got.Bytes(), want.Bytes()
	if bytes.Equal(g, w) {
		return nil
	}
	at := 0
	for at < len(g) && at < len(w) && g[at] == w[at] {
		at++
	}
	const shown = 24 // bytes of the difference that the error shows
	return fmt.Errorf("%w: a field is missing, repeated, out of order or spelt otherwise: write %q where %q stands",
		ErrGenesis, w[at:min(at+shown, len(w))], g[at:min(at+shown, len(g))])
}

// Check says whether a network can start from g. It verifies proofs of possession, which takes
// milliseconds per validator. Errors wrap ErrGenesis.
func (g *Genesis) Check() error {
	if err := g.checkRules(); err != nil {
		return err
	}
	for i := range g.Validators {
		v := &g.Validators[i]
		if err := v.PublicKeys.Verify(); err != nil {
			return fmt.Errorf("%w: validator %q: %w: copy the public part of its key file again", ErrGenesis, v.Name, err)
		}
	}
	return nil
}

// checkRules is Check without the proofs.
func (g *Genesis) checkRules() error {
	if err := checkVersion(g.Version); err != nil {
		return err
	}
	if err := checkName(g.Chain); err != nil {
		return fmt.Errorf("%w: chain: %w", ErrGenesis, err)
	}
	if g.Continues != nil && g.Continues.Network.IsZero() {
		return fmt.Errorf("%w: continues: no network is named", ErrGenesis)
	}
	if n := len(g.Validators); n < MinCommittee || n > MaxCommittee {
		return fmt.Errorf("%w: %d validators: name %d to %d", ErrGenesis, n, MinCommittee, MaxCommittee)
	}
	if want := PlainSealing(len(g.Validators)); g.Sealing != want && g.Sealing != (SealingRule{}) {
		return fmt.Errorf("%w: sealing %q with privacy %d and packing %d: this program knows %q, %d and %d for %d validators",
			ErrGenesis, g.Sealing.Scheme, g.Sealing.Privacy, g.Sealing.Packing, want.Scheme, want.Privacy, want.Packing, len(g.Validators))
	}
	if _, err := NewRegistry(g.Namespaces); err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	if err := g.Admin.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	names := make(map[string]bool, len(g.Validators))
	identities := make(map[crypto.PublicKey]string, len(g.Validators))
	for i := range g.Validators {
		v := &g.Validators[i]
		if err := checkName(v.Name); err != nil {
			return fmt.Errorf("%w: validator %d: %w", ErrGenesis, i, err)
		}
		if names[v.Name] {
			return fmt.Errorf("%w: two validators are named %q: give each a name of its own", ErrGenesis, v.Name)
		}
		if other, taken := identities[v.Identity]; taken {
			return fmt.Errorf("%w: validators %q and %q have the same identity: each needs a key file of its own", ErrGenesis, other, v.Name)
		}
		names[v.Name], identities[v.Identity] = true, v.Name
	}
	return nil
}

// Network is the id of the network: the digest of Encode.
func (g *Genesis) Network() crypto.Digest { return crypto.Hash(crypto.DomainGenesis, g.Encode()) }

// Committee is the committee of FirstEpoch.
func (g *Genesis) Committee() (*Committee, error) {
	validators := make([]Validator, len(g.Validators))
	for i, v := range g.Validators {
		validators[i] = Validator{Name: v.Name, Identity: v.Identity, KEM: v.KEM, BLS: v.BLS}
	}
	return NewCommittee(g.Network(), FirstEpoch, validators)
}

// Registry is the registry of g's namespaces. It panics if g was not checked and is wrong.
func (g *Genesis) Registry() *Registry {
	r, err := ChangeableRegistry(g.Namespaces, g.Admin, 0)
	if err != nil {
		panic("dag: registry of an unchecked genesis: " + err.Error())
	}
	return r
}
