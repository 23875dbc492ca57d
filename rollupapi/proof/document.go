package proof

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Document is a proof as GET /v1/transactions/ID/proof and /v1/namespaces/NAMESPACE/proof serve it and a file keeps it: the header of one commit and what is shown
// under it, any of the three kinds. Bytes are lower-case hex.
type Document struct {
	NetworkID  crypto.Digest      `json:"network_id"`
	Commit     dag.CommitIndex    `json:"commit"`
	Digest     crypto.Digest      `json:"digest"` // of the header
	Header     Hex                `json:"header"` // ordering.HeaderSize bytes
	Item       *ItemSection       `json:"item,omitempty"`
	Namespaces []NamespaceSection `json:"namespaces,omitempty"`
	Chains     []ChainSection     `json:"chains,omitempty"`
}

// ItemSection shows an item's place; with Outline, of bundles and sealed items, also its legs.
type ItemSection struct {
	Index   uint32          `json:"index"`
	TxID    crypto.Digest   `json:"tx_id"`
	Path    []crypto.Digest `json:"path"`
	Outline Hex             `json:"outline,omitempty"`
}

// NamespaceSection shows all that the commit has of a namespace. Its leaves stand at places Start and on; where there
// are none, Beside is the leaf at Start, the first of a higher namespace, or missing.
type NamespaceSection struct {
	Namespace dag.Namespace `json:"namespace"`
	Leaves    []Leaf        `json:"leaves"`
	Start     uint32        `json:"start"`
	Path      []nmt.Node    `json:"path"`
	Beside    *nmt.Node     `json:"beside,omitempty"`
}

// Leaf is what the namespace has at one position.
type Leaf struct {
	Index uint32        `json:"index"`
	Leg   uint8         `json:"leg"`
	TxID  crypto.Digest `json:"tx_id"`
}

// ChainSection shows the head of a namespace's chain at the commit's end.
type ChainSection struct {
	Namespace dag.Namespace `json:"namespace"`
	ChainProof
}

// Hex are bytes that stand as lower-case hex in JSON.
type Hex []byte

// MarshalText writes two digits per byte.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hex) UnmarshalText(text []byte) error {
	out := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(out, text); err != nil {
		return fmt.Errorf("hex: %w", err)
	}
	*h = out
	return nil
}

// MaxDocument is the size of the largest document that DecodeDocument reads, in bytes: some 50,000 leaves.
const MaxDocument = 8 << 20

// DecodeDocument reads a document's JSON. Errors wrap ErrProof.
func DecodeDocument(raw []byte) (*Document, error) {
	if len(raw) > MaxDocument {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrProof, len(raw), MaxDocument)
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	d := &Document{}
	if err := strict.Decode(d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if strict.More() {
		return nil, fmt.Errorf("%w: something follows the document", ErrProof)
	}
	return d, nil
}

// Shown is what a document that holds has shown.
type Shown struct {
	Header  ordering.CommitHeader
	Digest  crypto.Digest            // to be compared with a certificate's, or that of a source that is trusted
	Outline *dag.ItemOutline         // of a bundle or sealed item that was shown with its legs
	Leaves  []ordering.NamespaceLeaf // all that the commit has of the namespaces that were shown
	Chains  []ordering.ChainHead     // of the namespaces whose chains were shown
	Claims  []string                 // in words, one for each section
}

// Verify checks a document against its own header, and the header against its digest. Errors wrap ErrProof.
func (d *Document) Verify() (*Shown, error) {
	h, err := ordering.DecodeHeader(d.Header)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	s := &Shown{Header: h, Digest: h.ComputeDigest()}
	if s.Digest != d.Digest || h.Index != d.Commit {
		return nil, fmt.Errorf("%w: the header is that of commit %d with digest %v, not of commit %d with %v", ErrProof, h.Index, s.Digest, d.Commit, d.Digest)
	}
	if d.Item == nil && len(d.Namespaces) == 0 && len(d.Chains) == 0 {
		return nil, fmt.Errorf("%w: it shows nothing", ErrProof)
	}
	if d.Item != nil {
		err = d.verifyItem(s)
	}
	for i := range d.Namespaces {
		err = errors.Join(err, d.Namespaces[i].verify(s))
	}
	for i := range d.Chains {
		err = errors.Join(err, d.verifyChain(s, &d.Chains[i]))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (d *Document) verifyItem(s *Shown) error {
	i := d.Item
	if len(i.Outline) == 0 {
		s.claim("item %d of commit %d is %v", i.Index, d.Commit, i.TxID)
		return Item(&s.Header, i.Index, i.TxID, i.Path)
	}
	o, id, err := Siblings(d.NetworkID, &s.Header, i.Index, i.Outline, i.Path)
	if err == nil && id != i.TxID {
		err = fmt.Errorf("%w: the outline is of %v, not of %v", ErrProof, id, i.TxID)
	}
	s.Outline = &o
	s.claim("item %d of commit %d is %v and has legs %s", i.Index, d.Commit, i.TxID, legsOf(&o))
	return err
}

func (n *NamespaceSection) verify(s *Shown) error {
	var leaves []ordering.NamespaceLeaf
	for _, l := range n.Leaves {
		leaves = append(leaves, ordering.NamespaceLeaf{Namespace: n.Namespace, Index: l.Index, Leg: l.Leg, ID: l.TxID})
	}
	s.Leaves = append(s.Leaves, leaves...)
	s.claim("commit %d has %d legs of namespace %d, and no others", s.Header.Index, len(leaves), n.Namespace)
	p := nmt.Proof{Start: int(n.Start), End: int(n.Start) + len(n.Leaves), Path: n.Path, Beside: n.Beside}
	return Namespace(&s.Header, n.Namespace, leaves, &p)
}

func (d *Document) verifyChain(s *Shown, c *ChainSection) error {
	head, err := Chain(d.NetworkID, &s.Header, c.Namespace, &c.ChainProof)
	s.Chains = append(s.Chains, ordering.ChainHead{Namespace: c.Namespace, Hash: head})
	s.claim("the chain of namespace %d stands at %v behind commit %d", c.Namespace, head, d.Commit)
	return err
}

func legsOf(o *dag.ItemOutline) string {
	text := ""
	for i, l := range o.Legs {
		text += fmt.Sprintf("%s%d: %d bytes of namespace %d (%s)", separator(i), i, l.Size, l.Namespace, l.Digest.Short())
	}
	for i, ns := range o.Namespaces {
		text += fmt.Sprintf("%ssealed, of namespace %d", separator(i), ns)
	}
	return text
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

func (s *Shown) claim(format string, args ...any) {
	s.Claims = append(s.Claims, fmt.Sprintf(format, args...))
}
