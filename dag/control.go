package dag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
)

// ControlNamespace is where the transactions stand that change the registry. Their payloads are encoded
// Controls; they are ordered like all others, and take effect at the end of the commit that orders them.
const ControlNamespace Namespace = 0

// SchemeControl is the scheme of ControlNamespace, and of no other: the payload carries its own signatures.
const SchemeControl Scheme = "control"

// ControlKind says what a Control does.
type ControlKind uint8

// The kinds of controls.
const (
	ControlRegister ControlKind = iota + 1 // a namespace that was not there
	ControlUpdate                          // all of its rule but id, scheme and chain id, which stay
	ControlClose                           // for good: its id and name are not given again
)

var controlNames = [...]string{"", "register", "update", "close"}

// String is the kind as the command line names it.
func (k ControlKind) String() string {
	if int(k) < len(controlNames) {
		return controlNames[k]
	}
	return fmt.Sprintf("ControlKind(%d)", uint8(k))
}

// Control changes one namespace of the registry. Rule.Version is the number of the change: 1 for Register,
// else one more than the version that stands, so that a control works once and only on what its signers
// have seen. Until is the last commit that may bring it in.
type Control struct {
	Kind       ControlKind
	Rule       NamespaceRule // of Close: ID and Version alone
	Until      CommitIndex
	Signatures []ControlSignature
}

// ControlSignature is one key's signature over a Control's SigningDigest, with DomainControl.
type ControlSignature struct {
	Key       crypto.PublicKey
	Signature crypto.Signature
}

// ErrControl wraps everything that can be wrong with the bytes of a control.
var ErrControl = errors.New("malformed control transaction")

const (
	controlVersion   = 1
	controlHeader    = 1 + 1 + 8
	controlSignature = crypto.PublicKeySize + crypto.SignatureSize
)

// SigningDigest is what the keys sign for a network.
func (c *Control) SigningDigest(network crypto.Digest) crypto.Digest {
	return crypto.Hash(crypto.DomainControl, network[:], c.appendSigned(nil))
}

func (c *Control) appendSigned(b []byte) []byte {
	b = append(b, controlVersion, byte(c.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Until))
	return c.Rule.append(b)
}

// Encode is the payload of the control's transaction: version 1, kind 1, until 8, the rule, the number of
// signatures 1, and for each key 32 and signature 64. Errors wrap ErrControl.
func (c *Control) Encode() ([]byte, error) {
	if err := c.checkForm(); err != nil { // before encoding hides what is wrong with it
		return nil, fmt.Errorf("%w: %w", ErrControl, err)
	}
	raw := append(c.appendSigned(nil), byte(len(c.Signatures)))
	for i := range c.Signatures {
		raw = append(raw, c.Signatures[i].Key[:]...)
		raw = append(raw, c.Signatures[i].Signature[:]...)
	}
	if _, err := DecodeControl(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// DecodeControl reads what Encode wrote, and nothing else. It does not look at the signatures. Errors wrap
// ErrControl.
func DecodeControl(raw []byte) (*Control, error) {
	if len(raw) < controlHeader || raw[0] != controlVersion {
		return nil, fmt.Errorf("%w: version", ErrControl)
	}
	c := &Control{Kind: ControlKind(raw[1]), Until: CommitIndex(binary.BigEndian.Uint64(raw[2:]))}
	rule, rest, err := cutRule(raw[controlHeader:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrControl, err)
	}
	c.Rule = rule
	if err := c.checkForm(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrControl, err)
	}
	if len(rest) < 1 || int(rest[0]) > MaxControlSignatures || len(rest) != 1+int(rest[0])*controlSignature {
		return nil, fmt.Errorf("%w: signatures, want at most %d", ErrControl, MaxControlSignatures)
	}
	for rest = rest[1:]; len(rest) > 0; rest = rest[controlSignature:] {
		s := ControlSignature{crypto.PublicKey(rest[:crypto.PublicKeySize]), crypto.Signature(rest[crypto.PublicKeySize:controlSignature])}
		if slices.ContainsFunc(c.Signatures, func(o ControlSignature) bool { return o.Key == s.Key }) {
			return nil, fmt.Errorf("%w: key %s signs twice", ErrControl, s.Key.Short())
		}
		c.Signatures = append(c.Signatures, s)
	}
	return c, nil
}

// checkForm is what can be said of a control without a registry.
func (c *Control) checkForm() error {
	r := &c.Rule
	switch {
	case c.Kind < ControlRegister || c.Kind > ControlClose:
		return fmt.Errorf("kind %d is unknown", c.Kind)
	case r.Closed:
		return errors.New("a rule that is closed: use close")
	case r.Version == 0, c.Kind == ControlRegister && r.Version != 1:
		return fmt.Errorf("%s with version %d: a new namespace has version 1", c.Kind, r.Version)
	case c.Kind != ControlClose:
		return r.check()
	case r.ID == 0 || *r != (NamespaceRule{ID: r.ID, Version: r.Version}):
		return errors.New("close names an id, a version and nothing else")
	}
	return nil
}

// The schemes as they are encoded. Only additions at the end.
var schemeCodes = []Scheme{"", SchemeEd25519, SchemeEthereum, SchemeOpen}

const (
	ruleFixed       = 8 + 8 + 1 + 8 + 1 + 4 + 4 + crypto.PublicKeySize + 1
	flagUnprotected = 1
	flagClosed      = 2
)

// append appends the rule's one encoding: id 8, version 8, scheme 1, chain id 8, flags 1, weight 4, quota 4,
// owner 32, length of the name 1, name.
func (r *NamespaceRule) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.ID))
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = append(b, byte(max(slices.Index(schemeCodes, r.Scheme), 0)))
	b = binary.BigEndian.AppendUint64(b, r.ChainID)
	flags := byte(0)
	if r.AllowUnprotected {
		flags |= flagUnprotected
	}
	if r.Closed {
		flags |= flagClosed
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Weight))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Quota))
	b = append(b, r.Owner[:]...)
	return append(append(b, byte(len(r.Name))), r.Name...)
}

// cutRule reads what append wrote and gives what follows. It does not check the rule.
func cutRule(b []byte) (NamespaceRule, []byte, error) {
	if len(b) < ruleFixed || len(b) < ruleFixed+int(b[ruleFixed-1]) {
		return NamespaceRule{}, nil, errors.New("rule cut short")
	}
	if int(b[16]) >= len(schemeCodes) || b[25] > flagUnprotected|flagClosed {
		return NamespaceRule{}, nil, errors.New("scheme or flags of the rule are unknown")
	}
	end := ruleFixed + int(b[ruleFixed-1])
	return NamespaceRule{
		ID: Namespace(binary.BigEndian.Uint64(b)), Version: binary.BigEndian.Uint64(b[8:]), Scheme: schemeCodes[b[16]],
		ChainID: binary.BigEndian.Uint64(b[17:]), AllowUnprotected: b[25]&flagUnprotected != 0, Closed: b[25]&flagClosed != 0,
		Weight: int(binary.BigEndian.Uint32(b[26:])), Quota: int(binary.BigEndian.Uint32(b[30:])),
		Owner: crypto.PublicKey(b[34 : 34+crypto.PublicKeySize]), Name: string(b[ruleFixed:end]),
	}, b[end:], nil
}
