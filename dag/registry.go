package dag

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
)

// AdminRule says who may change the registry of a network beside the owners of its namespaces. The zero
// value lets nobody: where no namespace has an owner either, they are those of the genesis for good.
type AdminRule struct {
	Keys      []crypto.PublicKey `json:"keys"`       // may register, update and close any namespace
	Threshold int                `json:"threshold"`  // so many of them must sign together
	Open      int                `json:"open"`       // how many namespaces owners may register by themselves, in all
	OpenQuota int                `json:"open_quota"` // the quota of those, in bytes per block; 0 for none
}

// IsZero reports whether nobody may change anything.
func (a AdminRule) IsZero() bool {
	return len(a.Keys) == 0 && a.Threshold == 0 && a.Open == 0 && a.OpenQuota == 0
}

func (a *AdminRule) check() error {
	switch {
	case len(a.Keys) > MaxControlSignatures:
		return fmt.Errorf("%d admin keys, limit %d: remove some", len(a.Keys), MaxControlSignatures)
	case a.Threshold < 0 || a.Threshold > len(a.Keys) || (a.Threshold == 0) != (len(a.Keys) == 0):
		return fmt.Errorf("admin threshold %d of %d keys: use 1 to %d", a.Threshold, len(a.Keys), len(a.Keys))
	case a.Open < 0 || a.Open > MaxNamespaces:
		return fmt.Errorf("%d open namespaces: use 0 to %d", a.Open, MaxNamespaces)
	case a.OpenQuota < 0 || a.OpenQuota > MaxPayloadBytes:
		return fmt.Errorf("quota of %d bytes per block for open namespaces: use 1 to %d, or 0 for none", a.OpenQuota, MaxPayloadBytes)
	}
	for i, k := range a.Keys {
		if slices.Contains(a.Keys[:i], k) {
			return fmt.Errorf("admin key %s stands twice: remove one", k.Short())
		}
	}
	return nil
}

// ControlResult is what became of an ordered control.
type ControlResult uint8

// The results. All but Applied leave the registry as it was.
const (
	Applied          ControlResult = iota + 1
	ControlMalformed               // no control, or a rule that cannot be
	ControlExpired                 // ordered after its Until, or Until lies too far ahead
	ControlVersion                 // not made for the version that stands
	ControlTaken                   // the id or name is another namespace's, or was one's that is closed
	ControlUnknown                 // there is no such namespace
	ControlClosed                  // the namespace is closed
	ControlFixed                   // scheme and chain id are for life
	ControlFull                    // no more namespaces fit, or none that their owners register by themselves
	ControlForbidden               // not signed by the owner, nor by as many admins as it takes
	ControlCrowded                 // its block held more signatures of controls than are looked at: submit it again
)

var controlResults = [...]string{
	"", "APPLIED", "MALFORMED", "EXPIRED", "VERSION_STALE", "TAKEN", "NAMESPACE_UNKNOWN", "NAMESPACE_CLOSED", "FIXED", "FULL", "FORBIDDEN", "CROWDED",
}

// String is the result's name in the API.
func (r ControlResult) String() string {
	if int(r) < len(controlResults) {
		return controlResults[r]
	}
	return fmt.Sprintf("ControlResult(%d)", uint8(r))
}

// authority is on whose word a control acts.
type authority uint8

const (
	nobody authority = iota
	owner
	admins
)

// Examine says what the control would come to in commit i, up to its signatures: Applied if these are
// needed to say. It costs no cryptography.
func (r *Registry) Examine(c *Control, i CommitIndex) ControlResult {
	stands, known := r.entry(c.Rule.ID)
	switch by := r.authority(c); {
	case c.checkForm() != nil:
		return ControlMalformed
	case c.Until < i || c.Until > i+ValidityWindow:
		return ControlExpired
	case c.Kind == ControlRegister && known:
		return ControlTaken
	case c.Kind != ControlRegister && !known:
		return ControlUnknown
	case known && stands.Closed:
		return ControlClosed
	case known && c.Rule.Version != stands.Version+1:
		return ControlVersion
	case c.Kind == ControlUpdate && (c.Rule.Scheme != stands.Scheme || c.Rule.ChainID != stands.ChainID):
		return ControlFixed
	case c.Kind != ControlClose && r.nameTaken(&c.Rule):
		return ControlTaken
	case c.Kind == ControlRegister && len(r.rules) >= MaxNamespaces:
		return ControlFull
	case by == nobody:
		return ControlForbidden
	case by == owner && c.Kind == ControlRegister && r.opened >= r.admin.Open:
		return ControlFull
	}
	return Applied
}

// Authorised reports whether the signatures of a control hold that Examine found nothing wrong with.
func (r *Registry) Authorised(network crypto.Digest, c *Control) bool {
	digest := c.SigningDigest(network)
	for _, s := range c.Signatures {
		if !s.Key.Verify(crypto.DomainControl, digest, s.Signature) {
			return false
		}
	}
	return len(c.Signatures) > 0
}

// authority looks at whose keys a control names. Every one of them must be entitled. An owner decides about
// neither weight nor quota.
func (r *Registry) authority(c *Control) authority {
	count := 0
	for _, s := range c.Signatures {
		if slices.Contains(r.admin.Keys, s.Key) {
			count++
		}
	}
	if count == len(c.Signatures) && count > 0 && count >= r.admin.Threshold {
		return admins
	}
	stands, known := r.entry(c.Rule.ID)
	if !known {
		stands = &NamespaceRule{Owner: c.Rule.Owner, Quota: r.admin.OpenQuota}
	}
	own := len(c.Signatures) == 1 && c.Signatures[0].Key == stands.Owner && stands.Owner != crypto.PublicKey{}
	if own && (c.Kind == ControlClose || (max(c.Rule.Weight, 1) == max(stands.Weight, 1) && c.Rule.Quota == stands.Quota)) {
		return owner
	}
	return nobody
}

func (r *Registry) nameTaken(rule *NamespaceRule) bool {
	at, taken := r.byName[rule.Name]
	return taken && r.rules[at].ID != rule.ID
}

// Apply is the registry after a control of commit i, and what the control came to. Anything but Applied gives r
// itself. It verifies the control's signatures, of which there are at most MaxControlSignatures. With MaxNamespaces
// an update takes some 0.25 ms beside that (BenchmarkUpdate), and a registration some milliseconds.
func (r *Registry) Apply(network crypto.Digest, c *Control, i CommitIndex) (*Registry, ControlResult) {
	if result := r.Examine(c, i); result != Applied {
		return r, result
	}
	if !r.Authorised(network, c) {
		return r, ControlForbidden
	}
	if c.Kind == ControlRegister {
		opened := r.opened
		if r.authority(c) == owner {
			opened++
		}
		next, err := newRegistry(append(slices.Clone(r.rules), c.Rule), r.admin, opened)
		if err != nil {
			return r, ControlMalformed // a rule that Examine let pass is one that fits
		}
		next.changeable = r.changeable
		return next, Applied
	}
	return r.changed(c), Applied
}

// changed is the registry after an update or a close that holds. Whoever owns a namespace may change it in every
// commit, many times: only what is different is made anew.
func (r *Registry) changed(c *Control) *Registry {
	next, at := *r, r.byID[c.Rule.ID]
	next.rules = slices.Clone(r.rules)
	rule := &next.rules[at]
	if c.Kind == ControlClose {
		rule.Closed, rule.Version = true, c.Rule.Version
		return &next
	}
	if rule.Name != c.Rule.Name {
		next.byName = maps.Clone(r.byName)
		delete(next.byName, rule.Name)
		if c.Rule.Name != "" {
			next.byName[c.Rule.Name] = at
		}
	}
	*rule = c.Rule
	return &next
}

// entry finds the rule of a namespace, also of one that is closed.
func (r *Registry) entry(ns Namespace) (*NamespaceRule, bool) {
	i, ok := r.byID[ns]
	if !ok {
		return nil, false
	}
	return &r.rules[i], true
}

const registryVersion = 1

// Digest is the digest of Encode. With MaxNamespaces it takes a millisecond.
func (r *Registry) Digest() crypto.Digest { return crypto.Hash(crypto.DomainRegistry, r.Encode()) }

// Encode is all that DecodeRegistry needs beside the genesis: version 1, how many namespaces owners have
// registered by themselves 4, the number of namespaces 4, and each rule by ascending id.
func (r *Registry) Encode() []byte {
	b := binary.BigEndian.AppendUint32([]byte{registryVersion}, uint32(r.opened))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.rules)))
	for i := range r.rules {
		b = r.rules[i].append(b)
	}
	return b
}

// Decode reads a registry of the same network that Encode wrote. Errors wrap ErrControl.
func (r *Registry) Decode(raw []byte) (*Registry, error) {
	const header = 1 + 4 + 4
	if len(raw) < header || raw[0] != registryVersion {
		return nil, fmt.Errorf("%w: registry of another version", ErrControl)
	}
	opened, count := binary.BigEndian.Uint32(raw[1:]), binary.BigEndian.Uint32(raw[5:])
	if count > MaxNamespaces || opened > count {
		return nil, fmt.Errorf("%w: registry of %d namespaces", ErrControl, count)
	}
	var rules []NamespaceRule
	rest := raw[header:]
	for range count {
		rule, after, err := cutRule(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: registry: %w", ErrControl, err)
		}
		if n := len(rules); n > 0 && rules[n-1].ID >= rule.ID {
			return nil, fmt.Errorf("%w: namespace %d of the registry out of order", ErrControl, rule.ID)
		}
		rules, rest = append(rules, rule), after
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the registry", ErrControl, len(rest))
	}
	next, err := newRegistry(rules, r.admin, int(opened))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrControl, err)
	}
	next.changeable = r.changeable
	return next, nil
}
