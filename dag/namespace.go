package dag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
)

// Scheme says what a namespace admits.
type Scheme string

// The schemes. The proposing validator checks signatures on entry and readers can check them
// again; block validity and order do not depend on them.
const (
	SchemeEd25519  Scheme = "ed25519"  // sender and signature in the envelope
	SchemeEthereum Scheme = "ethereum" // the payload is a signed Ethereum transaction
	SchemeOpen     Scheme = "open"     // opaque bytes that the rollup judges itself
)

// NamespaceRule is what the network knows of one rollup.
type NamespaceRule struct {
	ID               Namespace `json:"id"`   // not 0
	Name             string    `json:"name"` // letters a-z, digits and hyphens; may be empty
	Scheme           Scheme    `json:"scheme"`
	ChainID          uint64    `json:"chain_id"`          // of Ethereum; 0 under other schemes
	AllowUnprotected bool      `json:"allow_unprotected"` // Ethereum transactions without a chain id
	Weight           int       `json:"weight,omitempty"`  // its part of a full block beside the others', 1 to MaxWeight; 0 stands for 1
	Quota            int       `json:"quota,omitempty"`   // encoded bytes of it in one validator's block, on average over blocks, at most MaxPayloadBytes; 0 for no limit

	Owner   crypto.PublicKey `json:"owner,omitzero"`    // may update and close it; zero for nobody
	Version uint64           `json:"version,omitempty"` // how often it has been changed
	Closed  bool             `json:"closed,omitempty"`  // takes nothing in any more, and can still be read
}

// Why an item cannot be ordered for the namespace that it names.
var (
	ErrUnknownNamespace = errors.New("unknown namespace") // the network does not have it
	ErrClosedNamespace  = errors.New("closed namespace")
)

// Registry finds the rules of a network's namespaces. It is immutable and safe for concurrent use:
// controls make another one of it.
type Registry struct {
	rules  []NamespaceRule // by id
	byID   map[Namespace]int
	byName map[string]int
	admin  AdminRule
	opened int // namespaces that their owners have registered by themselves

	changeable bool // from the genesis on, for good
}

// NewRegistry returns the registry of rules, which it checks as genesis does. It never changes.
func NewRegistry(rules []NamespaceRule) (*Registry, error) {
	return newRegistry(rules, AdminRule{}, 0)
}

// ChangeableRegistry is the registry of rules that changes, as a genesis says or a node tells: opened is how many
// namespaces owners have registered by themselves. It changes if it has admins or owners.
func ChangeableRegistry(rules []NamespaceRule, admin AdminRule, opened int) (*Registry, error) {
	r, err := newRegistry(rules, admin, opened)
	if err == nil {
		owned := slices.ContainsFunc(rules, func(r NamespaceRule) bool { return r.Owner != crypto.PublicKey{} })
		r.changeable = owned || !admin.IsZero()
	}
	return r, err
}

// newRegistry takes rules that were changed, too.
func newRegistry(rules []NamespaceRule, admin AdminRule, opened int) (*Registry, error) {
	if len(rules) > MaxNamespaces {
		return nil, fmt.Errorf("%d namespaces, limit %d: remove some", len(rules), MaxNamespaces)
	}
	r := &Registry{
		rules:  slices.Clone(rules),
		byID:   make(map[Namespace]int, len(rules)),
		byName: make(map[string]int, len(rules)),
		admin:  admin,
		opened: opened,
	}
	slices.SortStableFunc(r.rules, func(a, b NamespaceRule) int { return cmp.Compare(a.ID, b.ID) })
	for i := range r.rules {
		rule := &r.rules[i]
		if err := rule.check(); err != nil {
			return nil, err
		}
		if _, taken := r.byID[rule.ID]; taken {
			return nil, fmt.Errorf("namespace %d stands twice: give each rollup an id of its own", rule.ID)
		}
		r.byID[rule.ID] = i
		if rule.Name == "" {
			continue
		}
		if j, taken := r.byName[rule.Name]; taken {
			return nil, fmt.Errorf("namespaces %d and %d are both named %q: give each a name of its own", r.rules[j].ID, rule.ID, rule.Name)
		}
		r.byName[rule.Name] = i
	}
	return r, nil
}

func (r *NamespaceRule) check() error {
	if r.ID == 0 {
		return fmt.Errorf("namespace %q has id 0, which stands for no namespace: give it an id from 1 on", r.Name)
	}
	if r.Name != "" {
		if err := checkName(r.Name); err != nil {
			return fmt.Errorf("namespace %d: %w", r.ID, err)
		}
	}
	if r.Weight < 0 || r.Weight > MaxWeight {
		return fmt.Errorf("namespace %d: weight %d: use 1 to %d", r.ID, r.Weight, MaxWeight)
	}
	if r.Quota < 0 || r.Quota > MaxPayloadBytes {
		return fmt.Errorf("namespace %d: quota of %d bytes per block: use 1 to %d, or 0 for none", r.ID, r.Quota, MaxPayloadBytes)
	}
	switch r.Scheme {
	case SchemeEthereum:
		if r.ChainID == 0 {
			return fmt.Errorf("namespace %d: scheme ethereum needs chain_id: set it to the rollup's chain id", r.ID)
		}
		return nil
	case SchemeEd25519, SchemeOpen:
		if r.ChainID != 0 || r.AllowUnprotected {
			return fmt.Errorf("namespace %d: chain_id and allow_unprotected belong to scheme ethereum: set them to 0 and false", r.ID)
		}
		return nil
	}
	return fmt.Errorf("namespace %d: scheme %q is unknown: use %s, %s or %s", r.ID, r.Scheme, SchemeEd25519, SchemeEthereum, SchemeOpen)
}

// checkName accepts what can stand in a URL, a file name and a table, and cannot be taken for a
// number.
func checkName(name string) error {
	if len(name) == 0 || len(name) > MaxNameBytes {
		return fmt.Errorf("name of %d characters: use 1 to %d", len(name), MaxNameBytes)
	}
	digits := 0
	for _, c := range []byte(name) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c == '-':
		default:
			return fmt.Errorf("name %q: use only a-z, 0-9 and hyphens", name)
		}
	}
	if digits == len(name) {
		return fmt.Errorf("name %q looks like an id: put a letter into it", name)
	}
	return nil
}

// Registry is r. What follows a registry that changes asks for the newest by a method of this name.
func (r *Registry) Registry() *Registry { return r }

// Changeable reports whether controls can change the registry, or are kept out of the order.
func (r *Registry) Changeable() bool { return r.changeable }

// Opened is how many namespaces owners have registered by themselves.
func (r *Registry) Opened() int { return r.opened }

// Admin is who may change it.
func (r *Registry) Admin() AdminRule { return r.admin }

// controlRule is the rule of ControlNamespace.
var controlRule = NamespaceRule{ID: ControlNamespace, Scheme: SchemeControl}

// Rule finds the rule of a namespace, also of one that is closed; and that of ControlNamespace where controls
// are taken.
func (r *Registry) Rule(ns Namespace) (NamespaceRule, bool) {
	i, ok := r.byID[ns]
	switch {
	case ok:
		return r.rules[i], true
	case ns == ControlNamespace && r.Changeable():
		return controlRule, true
	}
	return NamespaceRule{}, false
}

// ByName finds the rule of the namespace that has a name.
func (r *Registry) ByName(name string) (NamespaceRule, bool) {
	i, ok := r.byName[name]
	if !ok {
		return NamespaceRule{}, false
	}
	return r.rules[i], true
}

// All lists the rules by id, also of namespaces that are closed. The caller may change the list.
func (r *Registry) All() []NamespaceRule { return slices.Clone(r.rules) }

// CheckForm is the ordered filters' check of one item: every namespace of it is known and open, else the
// error wraps ErrUnknownNamespace or ErrClosedNamespace; and its envelope fits the namespace's scheme, else
// the error wraps ErrItem. It looks at no signature. A bundle or sealed item is signed by its submitter or
// not at all, whatever its legs: what is sealed shows too late to be turned away. All nodes answer alike; a
// plain transaction of good form costs no allocation.
func (r *Registry) CheckForm(item *Item) error {
	switch item.Kind {
	case KindTransaction:
		i, ok := r.byID[item.Namespace]
		switch {
		case !ok && item.Namespace == ControlNamespace && r.Changeable():
			return nil
		case !ok:
			return fmt.Errorf("%w %d", ErrUnknownNamespace, item.Namespace)
		case r.rules[i].Closed:
			return fmt.Errorf("%w %d", ErrClosedNamespace, item.Namespace)
		}
		if r.rules[i].Scheme == SchemeEd25519 && !item.Signed {
			return fmt.Errorf("%w: namespace %d wants sender and signature", ErrItem, item.Namespace)
		}
		return nil
	case KindBundle, KindSealed:
		for _, ns := range item.Namespaces() {
			i, ok := r.byID[ns]
			if !ok {
				return fmt.Errorf("%w %d", ErrUnknownNamespace, ns)
			}
			if r.rules[i].Closed {
				return fmt.Errorf("%w %d", ErrClosedNamespace, ns)
			}
		}
		return nil
	}
	return fmt.Errorf("%w: kind %d", ErrItem, item.Kind)
}
