package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

func newNamespace() *cobra.Command {
	c := &cobra.Command{
		Use:   "namespace",
		Short: "List, register, change and close the namespaces of a running network",
		Long: `List, register, change and close the namespaces of a running network. Each change is a
transaction that the network orders like others; it takes effect in the commit after its own, on all nodes.

The genesis says who may: its admins, so many of them together, may change everything. Owners change
and close what is theirs, but for weight and quota; and where the genesis lets them, they register
by themselves. Keys are key files as "dunlin init" makes them.

Where several admins must sign and their keys are not in one place: one of them writes the change into a
file with --save, the others add their signatures with "dunlin namespace sign", and anyone sends it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newNamespaceList(), newNamespaceRegister(), newNamespaceUpdate(), newNamespaceClose(), newNamespaceSign(), newNamespaceSend())
	return c
}

func newNamespaceList() *cobra.Command {
	var api string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the network's namespaces, and who may change them",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, api, statusPatience, func(ctx context.Context, node *client.Client) error {
				network, err := node.Network(ctx)
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(c.OutOrStdout(), network.GetNamespaces())
				}
				return printNamespaces(c, network)
			})
		},
	}
	apiFlag(c, &api)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printNamespaces(c *cobra.Command, network *dunlinv1.GetNetworkResponse) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSCHEME\tWEIGHT\tQUOTA\tVERSION\tOWNER\tSTATE")
	for _, ns := range network.GetNamespaces() {
		scheme, quota, owner, state := ns.GetScheme(), "-", "-", "open"
		if ns.GetChainId() != 0 {
			scheme += ":" + strconv.FormatUint(ns.GetChainId(), 10)
		}
		if ns.GetQuota() != 0 {
			quota = fmt.Sprintf("%d B/block", ns.GetQuota())
		}
		if ns.GetOwner() != "" {
			owner = shortKey(ns.GetOwner())
		}
		if ns.GetClosed() {
			state = "closed"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", ns.GetId(), ns.GetName(), scheme, ns.GetWeight(), quota, ns.GetVersion(), owner, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	admin := network.GetAdmin()
	if admin == nil {
		_, err := fmt.Fprintln(c.OutOrStdout(), "\nThe genesis lets nobody change them.")
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "\n%s; owners have registered %d of %d by themselves.\n", adminsText(admin), admin.GetOpened(), admin.GetOpen())
	return err
}

func adminsText(admin *dunlinv1.AdminInfo) string {
	if len(admin.GetKeys()) == 0 {
		return "No admins"
	}
	var keys []string
	for _, k := range admin.GetKeys() {
		keys = append(keys, shortKey(k))
	}
	return fmt.Sprintf("Admins, %d together: %s", admin.GetThreshold(), strings.Join(keys, " "))
}

// shortKey is the beginning of a key in hex, as a node says it, for a table.
func shortKey(text string) string { return text[:min(len(text), 8)] }

// changing is what the verbs that change a namespace have in common.
type changing struct {
	api, save string
	keys      []string
	dry       bool
	validFor  uint64
}

func (f *changing) flags(c *cobra.Command) {
	apiFlag(c, &f.api)
	c.Flags().StringArrayVar(&f.keys, "key", nil, "key file to sign with; may be given many times")
	c.Flags().StringVar(&f.save, "save", "", "write the change into this file instead of sending it")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be sent, and whether the network would take it, and send nothing")
	c.Flags().Uint64Var(&f.validFor, "valid-for", dag.ValidityWindow/2, "commits after which the change can no longer be ordered")
}

// drafting is a change in the making, with what the network says.
type drafting struct {
	node    *client.Client
	network *dunlinv1.GetNetworkResponse
	id      crypto.Digest
	keys    []*crypto.IdentityKey
	dag.Control
}

// change lets fill fill in a control, signs it, and does with it what the flags say.
func (f *changing) change(c *cobra.Command, kind dag.ControlKind, fill func(context.Context, *drafting) error) error {
	return ask(c, f.api, submitPatience, func(ctx context.Context, node *client.Client) error {
		d := &drafting{node: node, Control: dag.Control{Kind: kind}}
		if err := d.prepare(ctx, f); err != nil {
			return err
		}
		if len(d.keys) == 0 && f.save == "" {
			return usage(c, "nothing to sign with: name a key file with --key, or write the change into a file with --save")
		}
		if err := fill(ctx, d); err != nil {
			return err
		}
		d.sign()
		if _, err := d.Encode(); err != nil {
			return usage(c, "%w", err)
		}
		switch {
		case f.dry:
			if err := d.print(c); err != nil {
				return err
			}
			return d.judge(c)
		case f.save != "":
			return d.write(c, f.save)
		}
		return sendControl(ctx, c, node, d.id, &d.Control)
	})
}

// prepare asks the network what the change must fit, and reads the keys.
func (d *drafting) prepare(ctx context.Context, f *changing) (err error) {
	if d.network, err = d.node.Network(ctx); err != nil {
		return err
	}
	if d.network.GetAdmin() == nil {
		return refused(errors.New("the genesis of this network lets nobody change its namespaces"), "a new network may: dunlin init genesis --help")
	}
	if d.id, err = crypto.ParseDigest(d.network.GetNetworkId()); err != nil {
		return fmt.Errorf("read network id: %w", err)
	}
	d.Until = dag.CommitIndex(d.network.GetWatermarks().GetCommitted() + f.validFor)
	d.keys, err = readKeys(f.keys)
	return err
}

func readKeys(files []string) ([]*crypto.IdentityKey, error) {
	var out []*crypto.IdentityKey
	for _, file := range files {
		keys, err := crypto.ReadKeyFile(file)
		if err != nil {
			return nil, withHint(err, "make one with: dunlin init --home DIR")
		}
		out = append(out, keys.Identity)
	}
	return out, nil
}

func (d *drafting) sign() {
	digest := d.SigningDigest(d.id)
	for _, k := range d.keys {
		d.Signatures = append(d.Signatures, dag.ControlSignature{Key: k.Public(), Signature: k.Sign(crypto.DomainControl, digest)})
	}
}

// byAdmins reports whether admins sign, or will.
func (d *drafting) byAdmins() bool {
	return len(d.keys) == 0 || slices.ContainsFunc(d.keys, func(k *crypto.IdentityKey) bool {
		return slices.Contains(d.network.GetAdmin().GetKeys(), k.Public().String())
	})
}

// print shows the change.
func (d *drafting) print(c *cobra.Command) error {
	_, err := fmt.Fprintf(c.OutOrStdout(), "the change, with %s, good until commit %d:\n", counted(len(d.Signatures), "signature"), d.Until)
	if err != nil {
		return err
	}
	if d.Kind == dag.ControlClose { // which has no rule
		return printJSON(c.OutOrStdout(), struct {
			Change    string        `json:"change"`
			Namespace dag.Namespace `json:"namespace"`
			Version   uint64        `json:"version"`
		}{d.Kind.String(), d.Rule.ID, d.Rule.Version})
	}
	return printJSON(c.OutOrStdout(), struct {
		Change string            `json:"change"`
		Rule   dag.NamespaceRule `json:"rule"`
	}{d.Kind.String(), d.Rule})
}

// judge says whether the network, as the node tells of it, would take the change.
func (d *drafting) judge(c *cobra.Command) error {
	registry, err := registryOf(d.network)
	if err != nil {
		return fmt.Errorf("read what the node says of its network: %w", err)
	}
	next := dag.CommitIndex(d.network.GetWatermarks().GetCommitted() + 1)
	if result := registry.Examine(&d.Control, next); result != dag.Applied {
		return refused(fmt.Errorf("the network would not take it: %s", result), "dunlin namespace list shows what stands, and who may change it")
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), "the network would take it")
	return err
}

func (d *drafting) write(c *cobra.Command, file string) error {
	raw, err := d.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, "%x\n", raw), 0o644); err != nil {
		return withHint(err, "name another file with --save")
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s holds the change, with %s, good until commit %d\nnext: dunlin namespace sign %s --key KEY, then dunlin namespace send %s\n",
		file, counted(len(d.Signatures), "signature"), d.Until, file, file)
	return err
}

// sendControl sends a change, waits until it is ordered, and says what it came to.
func sendControl(ctx context.Context, c *cobra.Command, node *client.Client, network crypto.Digest, control *dag.Control) error {
	r, err := node.SubmitControl(ctx, network, control)
	if err != nil {
		return err
	}
	if r.Control != dag.Applied.String() {
		return refused(fmt.Errorf("%s of namespace %d, ordered in commit %d, changed nothing: %s", control.Kind, control.Rule.ID, r.Commit, r.Control), "dunlin namespace list shows what stands")
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s of namespace %d is applied: item %d of commit %d; it counts from commit %d on\n", control.Kind, control.Rule.ID, r.Index, r.Commit, r.Commit+1)
	return err
}
