package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// ruleFlags are the parts of a rule that can be changed.
type ruleFlags struct {
	name, owner   string
	weight, quota int
	unprotected   bool
}

func (f *ruleFlags) flags(c *cobra.Command) {
	c.Flags().IntVar(&f.weight, "weight", 0, "its part of a full block beside the others', 1 to 100 (admins only)")
	c.Flags().IntVar(&f.quota, "quota", 0, "bytes of it in one validator's block, on average over blocks; 0 for no limit (admins only)")
	c.Flags().StringVar(&f.owner, "owner", "", "public key in hex that may change and close it")
	c.Flags().BoolVar(&f.unprotected, "allow-unprotected", false, "scheme ethereum: take transactions without a chain id")
}

// set puts the flags that were given into a rule.
func (f *ruleFlags) set(c *cobra.Command, rule *dag.NamespaceRule) error {
	given := c.Flags().Changed
	if given("name") {
		rule.Name = f.name
	}
	if given("weight") {
		rule.Weight = f.weight
	}
	if given("quota") {
		rule.Quota = f.quota
	}
	if given("allow-unprotected") {
		rule.AllowUnprotected = f.unprotected
	}
	if given("owner") {
		if err := rule.Owner.UnmarshalText([]byte(f.owner)); err != nil {
			return usage(c, "--owner: %w", err)
		}
	}
	return nil
}

func newNamespaceRegister() *cobra.Command {
	var f changing
	var rule ruleFlags
	c := &cobra.Command{
		Use:   "register ID:NAME:SCHEME",
		Short: "Register a namespace",
		Long: `Register a namespace and wait until that is ordered. SCHEME is open, ed25519 or ethereum:CHAIN-ID. Without
an admin's key among those that sign, the namespace becomes that of the key.`,
		Example: `  dunlin namespace register 1001:swap:ethereum:1001 --key alice/key.json
  dunlin namespace register 77:notes:open --weight 3 --key admin/key.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			parsed, err := parseNamespaceRule(args[0])
			if err != nil {
				return usage(c, "namespace %q: %w", args[0], err)
			}
			return f.change(c, dag.ControlRegister, func(_ context.Context, d *drafting) error {
				d.Rule = parsed
				d.Rule.Version = 1
				if !d.byAdmins() {
					d.Rule.Owner, d.Rule.Quota = d.keys[0].Public(), int(d.network.GetAdmin().GetOpenQuota())
				}
				return rule.set(c, &d.Rule)
			})
		},
	}
	f.flags(c)
	rule.flags(c)
	return c
}

func newNamespaceUpdate() *cobra.Command {
	var f changing
	var rule ruleFlags
	c := &cobra.Command{
		Use:   "update NAMESPACE",
		Short: "Change a namespace; scheme and chain id are for life",
		Example: `  dunlin namespace update swap --name exchange --key alice/key.json
  dunlin namespace update 77 --quota 65536 --key admin/key.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.change(c, dag.ControlUpdate, func(ctx context.Context, d *drafting) error {
				stands, err := d.standing(ctx, args[0])
				if err != nil {
					return err
				}
				d.Rule = stands
				d.Rule.Version++
				return rule.set(c, &d.Rule)
			})
		},
	}
	f.flags(c)
	rule.flags(c)
	c.Flags().StringVar(&rule.name, "name", "", "another name: a-z, 0-9 and -")
	return c
}

func newNamespaceClose() *cobra.Command {
	var f changing
	c := &cobra.Command{
		Use:   "close NAMESPACE",
		Short: "Close a namespace for good; what it holds can still be read",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.change(c, dag.ControlClose, func(ctx context.Context, d *drafting) error {
				stands, err := d.standing(ctx, args[0])
				d.Rule = dag.NamespaceRule{ID: stands.ID, Version: stands.Version + 1}
				return err
			})
		},
	}
	f.flags(c)
	return c
}

// standing is the present rule of a namespace.
func (d *drafting) standing(ctx context.Context, text string) (dag.NamespaceRule, error) {
	_, ns, err := namespaceOf(ctx, d.node, text)
	if err != nil {
		return dag.NamespaceRule{}, err
	}
	rule, err := ruleOf(ns)
	if err == nil && rule.Closed {
		err = refused(fmt.Errorf("namespace %d is closed for good", rule.ID), "register another one: dunlin namespace register --help")
	}
	return rule, err
}

// ruleOf is a namespace's rule as a node tells it.
func ruleOf(ns *dunlinv1.NamespaceInfo) (dag.NamespaceRule, error) {
	rule := dag.NamespaceRule{
		ID: dag.Namespace(ns.GetId()), Name: ns.GetName(), Scheme: dag.Scheme(ns.GetScheme()), ChainID: ns.GetChainId(), AllowUnprotected: ns.GetAllowUnprotected(),
		Weight: int(ns.GetWeight()), Quota: int(ns.GetQuota()), Version: ns.GetVersion(), Closed: ns.GetClosed(),
	}
	if ns.GetOwner() != "" {
		if err := rule.Owner.UnmarshalText([]byte(ns.GetOwner())); err != nil {
			return rule, fmt.Errorf("read the owner of namespace %d: %w", rule.ID, err)
		}
	}
	return rule, nil
}

// registryOf is the registry as a node tells it.
func registryOf(network *dunlinv1.GetNetworkResponse) (*dag.Registry, error) {
	var rules []dag.NamespaceRule
	for _, ns := range network.GetNamespaces() {
		rule, err := ruleOf(ns)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	told := network.GetAdmin()
	admin := dag.AdminRule{Threshold: int(told.GetThreshold()), Open: int(told.GetOpen()), OpenQuota: int(told.GetOpenQuota())}
	for _, text := range told.GetKeys() {
		var key crypto.PublicKey
		if err := key.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("read an admin's key: %w", err)
		}
		admin.Keys = append(admin.Keys, key)
	}
	return dag.ChangeableRegistry(rules, admin, int(told.GetOpened()))
}

// maxControlFile bounds a file with a change: the longest has some 3,400 hex digits.
const maxControlFile = 8 << 10

// readControl reads what --save wrote.
func readControl(file string) (*dag.Control, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, withHint(err, "dunlin namespace register --save %s writes one", file)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxControlFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	raw, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err == nil {
		var control *dag.Control
		if control, err = dag.DecodeControl(raw); err == nil {
			return control, nil
		}
	}
	return nil, withHint(fmt.Errorf("%s holds no change of a namespace: %w", file, err), "dunlin namespace register --save %s writes one", file)
}

func newNamespaceSign() *cobra.Command {
	var api string
	var files []string
	c := &cobra.Command{
		Use:   "sign FILE",
		Short: "Show a change that --save wrote, and add signatures to it",
		Long: `Show a change that --save wrote, and add the signatures of the key files to it. Without --key it is
shown only. The network is asked for its id, which the signature covers.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			control, err := readControl(args[0])
			if err != nil {
				return err
			}
			d := &drafting{Control: *control}
			if d.keys, err = readKeys(files); err != nil {
				return err
			}
			if len(d.keys) == 0 {
				return d.print(c)
			}
			err = ask(c, api, statusPatience, func(ctx context.Context, node *client.Client) (err error) {
				d.id, err = networkID(ctx, node)
				return err
			})
			if err != nil {
				return err
			}
			d.sign()
			if err := d.print(c); err != nil {
				return err
			}
			return d.write(c, args[0])
		},
	}
	apiFlag(c, &api)
	c.Flags().StringArrayVar(&files, "key", nil, "key file to sign with; may be given many times")
	return c
}

// networkID asks the network for its id.
func networkID(ctx context.Context, node *client.Client) (crypto.Digest, error) {
	network, err := node.Network(ctx)
	if err != nil {
		return crypto.Digest{}, err
	}
	return crypto.ParseDigest(network.GetNetworkId())
}

func newNamespaceSend() *cobra.Command {
	var api string
	c := &cobra.Command{
		Use:   "send FILE",
		Short: "Send a change that --save wrote, and wait until it is ordered",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			control, err := readControl(args[0])
			if err != nil {
				return err
			}
			return ask(c, api, submitPatience, func(ctx context.Context, node *client.Client) error {
				id, err := networkID(ctx, node)
				if err != nil {
					return err
				}
				return sendControl(ctx, c, node, id, control)
			})
		},
	}
	apiFlag(c, &api)
	return c
}
