package main

import (
	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// adminFlags say who may change the namespaces of a new network.
type adminFlags struct {
	keys []string
	rule dag.AdminRule
}

func (f *adminFlags) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.keys, "admin", nil, "who may change the namespaces: a PUBLIC.json or a public key in hex; may be given many times")
	c.Flags().IntVar(&f.rule.Threshold, "admin-threshold", 0, "how many admins must sign together (default: all)")
	c.Flags().IntVar(&f.rule.Open, "open", 0, "how many namespaces anybody may register, in all")
	c.Flags().IntVar(&f.rule.OpenQuota, "open-quota", 0, "quota of those, in bytes per block; 0 for none")
}

// set puts the rule into a genesis. Without any of the flags the genesis stays as it is.
func (f *adminFlags) set(c *cobra.Command, genesis *dag.Genesis) error {
	given := c.Flags().Changed
	if !given("admin") && !given("admin-threshold") && !given("open") && !given("open-quota") {
		return nil
	}
	for _, text := range f.keys {
		var key crypto.PublicKey
		if key.UnmarshalText([]byte(text)) != nil {
			v, err := readPublic(text)
			if err != nil {
				return withHint(err, "--admin takes 64 hex digits, or a file made with: dunlin init --home DIR --name NAME > %s", text)
			}
			key = v.Identity
		}
		f.rule.Keys = append(f.rule.Keys, key)
	}
	if !given("admin-threshold") {
		f.rule.Threshold = len(f.rule.Keys)
	}
	genesis.Admin = f.rule
	return nil
}
