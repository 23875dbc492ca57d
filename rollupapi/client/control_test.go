package client_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// changing is a registry that the controls of a chain change.
type changing struct {
	mu  sync.Mutex
	now *dag.Registry
}

// Registry is the registry now.
func (c *changing) Registry() *dag.Registry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// apply is what a control comes to in a commit.
func (c *changing) apply(t testing.TB, network crypto.Digest, item *dag.Item, at dag.CommitIndex) dag.ControlResult {
	t.Helper()
	control, err := dag.DecodeControl(item.Transaction().Payload)
	if err != nil {
		t.Errorf("a control comes to the node that is none: %v", err)
		return dag.ControlMalformed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next, result := c.now.Apply(network, control, at)
	if result == dag.Applied {
		c.now = next
	}
	return result
}

// controlled serves a chain in whose registry owners may register two namespaces. What it is sent it commits.
func controlled(t testing.TB) (*apitest.Chain, *changing, string) {
	t.Helper()
	chain := apitest.New(t)
	genesis := *chain.Genesis
	genesis.Admin = dag.AdminRule{Open: 2}
	registry := &changing{now: genesis.Registry()}
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		at := chain.Heads().Committed + 1
		chain.CommitControl(t, item, registry.apply(t, chain.Committee.Network(), &item, at))
		return ordering.Committed
	})
	config := chain.Config()
	admission := chain.AdmissionConfig(2)
	admission.Registry, config.Registry = registry, registry
	config.Admission = rollupapi.NewAdmission(admission)
	url, _ := apitest.Start(t, rollupapi.New(config))
	return chain, registry, url
}

// registers is a control that registers a namespace, signed by its owner.
func registers(t testing.TB, network crypto.Digest, id dag.Namespace, name string) *dag.Control {
	t.Helper()
	owner := sender(t)
	c := &dag.Control{Kind: dag.ControlRegister, Until: 100, Rule: dag.NamespaceRule{ID: id, Name: name, Scheme: dag.SchemeOpen, Owner: owner.Public(), Version: 1}}
	c.Signatures = []dag.ControlSignature{{Key: owner.Public(), Signature: owner.Sign(crypto.DomainControl, c.SigningDigest(network))}}
	return c
}

// TestSubmitControl: a control is committed and says what it came to, also when it is sent again; one that would come
// to nothing is refused before it is ordered.
func TestSubmitControl(t *testing.T) {
	chain, registry, url := controlled(t)
	c, network := newClient(t, url), chain.Committee.Network()
	mine := registers(t, network, 2000, "mine")
	first, err := c.SubmitControl(t.Context(), network, mine)
	if err != nil || first.State != client.Committed || first.Control != "APPLIED" || first.Commit != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	if rule, known := registry.Registry().Rule(2000); !known || rule.Name != "mine" {
		t.Errorf("registered %+v", rule)
	}
	if again, err := c.SubmitControl(t.Context(), network, mine); err != nil || again.ID != first.ID || again.Commit != first.Commit || again.Control != "APPLIED" {
		t.Errorf("sent again: %+v, %v", again, err)
	}
	forged := registers(t, network, 2001, "other")
	forged.Signatures[0].Signature[3] ^= 1
	late := registers(t, network, 2001, "other")
	late.Until = chain.Heads().Committed
	for name, test := range map[string]struct {
		control *dag.Control
		message string
	}{
		"a taken id":       {registers(t, network, apitest.Open, "other"), "TAKEN: the id or the name is taken"},
		"a taken name":     {registers(t, network, 2001, "open"), "TAKEN"},
		"a bad signature":  {forged, "FORBIDDEN: it needs the owner's signature"},
		"one that expired": {late, "EXPIRED: its last commit has passed"},
	} {
		result, err := c.SubmitControl(t.Context(), network, test.control)
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Reason != "CONTROL_REFUSED" || refused.Retryable || !strings.Contains(refused.Message, test.message) || !result.ID.IsZero() {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
	}
	if n := chain.Submits(); n != 1 {
		t.Errorf("%d controls came to the sequencer, want the first alone", n)
	}
	if _, err := c.SubmitControl(t.Context(), network, &dag.Control{Kind: 9}); !errors.Is(err, dag.ErrControl) {
		t.Errorf("what is no control: %v", err)
	}
}

// TestSubmitControlOutrun: one that was good when it was sent may come to nothing in its commit, which is no error; and until
// the node knows what it came to, the caller waits as long as it likes.
func TestSubmitControlOutrun(t *testing.T) {
	chain, _, url := controlled(t)
	c, network := newClient(t, url), chain.Committee.Network()
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		chain.CommitControl(t, item, dag.ControlCrowded)
		return ordering.Committed
	})
	if result, err := c.SubmitControl(t.Context(), network, registers(t, network, 2000, "mine")); err != nil || result.State != client.Committed || result.Control != "CROWDED" {
		t.Errorf("%+v, %v", result, err)
	}
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		chain.Commit(t, []dag.Item{item}) // and says nothing of its result
		return ordering.Committed
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	result, err := c.SubmitControl(ctx, network, registers(t, network, 2001, "other"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a result: %+v, %v", result, err)
	}
}
