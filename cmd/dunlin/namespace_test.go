package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// TestJudge: a dry run says whether the network would take the change.
func TestJudge(t *testing.T) {
	key, err := crypto.NewIdentityKey(make([]byte, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	network := &dunlinv1.GetNetworkResponse{
		Namespaces: []*dunlinv1.NamespaceInfo{{Id: 7, Name: "seven", Scheme: "open", Weight: 1, Owner: key.Public().String(), Version: 1}},
		Admin:      &dunlinv1.AdminInfo{Open: 2, Opened: 1},
		Watermarks: &dunlinv1.Watermarks{Committed: 40},
	}
	register := dag.Control{Kind: dag.ControlRegister, Rule: dag.NamespaceRule{ID: 8, Scheme: dag.SchemeOpen, Owner: key.Public(), Version: 1}}
	taken := register
	taken.Rule.ID = 7
	for name, test := range map[string]struct {
		control dag.Control
		opened  uint32
		want    string // in the error; empty for none
	}{
		"register": {register, 1, ""},
		"full":     {register, 2, "FULL"},
		"taken":    {taken, 1, "TAKEN"},
		"close":    {dag.Control{Kind: dag.ControlClose, Rule: dag.NamespaceRule{ID: 7, Version: 2}}, 1, ""},
	} {
		var out strings.Builder
		c := &cobra.Command{}
		c.SetOut(&out)
		d := &drafting{network: network, keys: []*crypto.IdentityKey{key}, Control: test.control}
		d.Until, network.Admin.Opened = 50, test.opened
		d.sign()
		err := d.judge(c)
		var coded *hinted
		if test.want == "" && (err != nil || out.String() != "the network would take it\n") ||
			test.want != "" && (!errors.As(err, &coded) || coded.code != exitRefused || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %q, %v", name, out.String(), err)
		}
	}
	network.Admin.Keys = []string{"not a key"}
	if err := (&drafting{network: network}).judge(&cobra.Command{}); err == nil {
		t.Error("an admin's key that is none is taken")
	}
}

// TestPrintNamespaces: whatever a node says of owners and admins can be shown.
func TestPrintNamespaces(t *testing.T) {
	for _, key := range []string{"a", "abcdefgh", strings.Repeat("abcdefgh", 8)} {
		var out strings.Builder
		c := &cobra.Command{}
		c.SetOut(&out)
		err := printNamespaces(c, &dunlinv1.GetNetworkResponse{
			Namespaces: []*dunlinv1.NamespaceInfo{{Id: 7, Name: "seven", Scheme: "ethereum", ChainId: 70, Owner: key, Quota: 5, Closed: true}},
			Admin:      &dunlinv1.AdminInfo{Keys: []string{key}, Threshold: 1, Open: 3, Opened: 2},
		})
		shown := key[:min(len(key), 8)]
		for _, want := range []string{"7   seven  ethereum:70", "5 B/block", shown + " ", "closed", "Admins, 1 together: " + shown + "; owners have registered 2 of 3"} {
			if err != nil || !strings.Contains(out.String(), want) {
				t.Errorf("owner %q: %q is missing from\n%s%v", key, want, out.String(), err)
			}
		}
	}
}
