package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/p2p"
)

// maxPublicBytes bounds a file with the public part of a key; it takes about 700 bytes.
const maxPublicBytes = 64 << 10

func newInit() *cobra.Command {
	var home, name, genesis string
	var bootstrap []string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the home of a node, or a genesis, or a whole network",
		Long: `Make the home of a node: a key, a config, and, with --genesis, what it needs to run.

A new network of several operators takes three steps:
  1. each operator:  dunlin init --home DIR --name NAME > NAME.json
  2. one of them:    dunlin init genesis --chain CHAIN NAME.json ... > genesis.json
  3. each operator:  dunlin init --home DIR --genesis genesis.json
                     --bootstrap ADDRESS
where ADDRESS is that of one of them, or of any node that is always there: the others are found through
it. The last step prints a node's own address. Where it listens stands in DIR/config.toml, at first on
this machine only.

Without --genesis the public part of the new key is printed as JSON. The key never leaves the home.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := resolveHome(home)
			if err != nil {
				return err
			}
			config := node.DefaultConfig()
			config.P2P.Bootstrap = bootstrap
			if err := config.Check(); err != nil {
				return usage(c, "%w", err)
			}
			if err := initHome(c.OutOrStdout(), dir, name, genesis); err != nil || len(bootstrap) == 0 {
				return err
			}
			return node.SetBootstrap(dir, bootstrap)
		},
	}
	homeFlag(c, &home)
	c.Flags().StringVar(&name, "name", "node", "name of the node: a-z, 0-9 and -")
	c.Flags().StringVar(&genesis, "genesis", "", "genesis file of the network to join")
	c.Flags().StringSliceVar(&bootstrap, "bootstrap", nil, "address of a node through which the others are found; may be given many times")
	c.AddCommand(newInitGenesis(), newInitNetwork())
	return c
}

// initHome makes a key where there is none, and completes the home if there is a genesis.
func initHome(out io.Writer, dir, name, genesisFile string) error {
	_, err := os.Stat(filepath.Join(dir, node.KeyFile))
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh || genesisFile == "" {
		if err := initKey(dir, name); err != nil {
			return err
		}
	}
	keys, err := crypto.ReadKeyFile(filepath.Join(dir, node.KeyFile))
	if err != nil {
		return withHint(err, "choose another --home")
	}
	if genesisFile == "" {
		return printJSON(out, dag.GenesisValidator{Name: name, PublicKeys: keys.Public()})
	}
	genesis, err := node.LoadGenesis(genesisFile)
	if err != nil {
		return err
	}
	if err := node.WriteGenesis(dir, genesis); err != nil {
		return err
	}
	role := "an observer"
	for i, v := range genesis.Validators {
		if v.Identity == keys.Identity.Public() {
			role = fmt.Sprintf("validator %s (%s)", dag.Author(i), v.Name)
		}
	}
	id, err := p2p.PeerID(keys.Identity.Public())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `%s is the home of %s of network %q (%s)
for the bootstrap of others: /ip4/ADDRESS/tcp/PORT/p2p/%s
next: look at p2p.listen and p2p.bootstrap in %s, then type
  dunlin run --home %s
`, dir, role, genesis.Chain, genesis.Network(), id, filepath.Join(dir, node.ConfigFile), dir)
	return err
}

func initKey(dir, name string) error {
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		return err
	}
	config := node.DefaultConfig()
	config.Name = name
	if err := config.Check(); err != nil {
		return withHint(err, "dunlin init --name n0")
	}
	return node.WriteKey(dir, config, keys)
}

func newInitGenesis() *cobra.Command {
	var chain string
	var namespaces []string
	var admins adminFlags
	var old succession
	c := &cobra.Command{
		Use:   "genesis [PUBLIC.json...]",
		Short: "Print the genesis of a new network made of validators' public keys",
		Long: `Print the genesis of a new network. Each PUBLIC.json is what "dunlin init" printed for one
validator; their order is the order of the committee.

A namespace is ID:NAME:SCHEME, where SCHEME is open, ed25519 or ethereum:CHAIN-ID.

Namespaces can be registered, changed and closed later on ("dunlin namespace") if the genesis says who
may: --admin names keys, so many of which must sign together, and --open lets anybody register that many
namespaces. Without either the namespaces stay as they are here.

With --from-export it is the genesis of a network that takes over from one which cannot go on, with that
one's name, validators and namespaces (docs/disaster.md). Name the export of every operator: each is
verified, and the longest counts. The new genesis names the old network and its last commit.

Exits with 3 if an export does not hold, or two contradict each other.`,
		Example: "  dunlin init genesis --chain harbour --namespace 1001:swap:ethereum:1001 a.json b.json c.json d.json > genesis.json",
		RunE: func(c *cobra.Command, files []string) error {
			genesis := &dag.Genesis{Version: dag.GenesisVersion, Chain: chain, Created: uint64(time.Now().UnixMilli())}
			switch {
			case len(old.exports) > 0:
				var err error
				if genesis, err = old.genesis(c); err != nil {
					return err
				}
			case len(files) == 0 || len(old.replace)+len(old.drop) > 0:
				return usage(c, "want PUBLIC.json files, or --from-export FILE")
			}
			for _, file := range files {
				v, err := readPublic(file)
				if err != nil {
					return withHint(err, "make it with: dunlin init --home DIR --name NAME > %s", file)
				}
				genesis.Validators = append(genesis.Validators, v)
			}
			if err := addNamespaces(c, genesis, namespaces); err != nil {
				return err
			}
			if err := admins.set(c, genesis); err != nil {
				return err
			}
			if err := genesis.Check(); err != nil {
				return withHint(err, "%s --help", c.CommandPath())
			}
			_, err := c.OutOrStdout().Write(genesis.Encode())
			return err
		},
	}
	c.Flags().StringVar(&chain, "chain", "dunlin", "name of the network: a-z, 0-9 and -")
	c.Flags().StringArrayVar(&namespaces, "namespace", nil, "a rollup as ID:NAME:SCHEME; may be given many times")
	old.flags(c)
	admins.flags(c)
	return c
}

func readPublic(file string) (dag.GenesisValidator, error) {
	var v dag.GenesisValidator
	f, err := os.Open(file)
	if err != nil {
		return v, err
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, maxPublicBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return v, fmt.Errorf("read %s: %w", file, err)
	}
	return v, nil
}

func addNamespaces(c *cobra.Command, genesis *dag.Genesis, texts []string) error {
	for _, text := range texts {
		rule, err := parseNamespaceRule(text)
		if err != nil {
			return usage(c, "namespace %q: %w", text, err)
		}
		genesis.Namespaces = append(genesis.Namespaces, rule)
	}
	return nil
}

func parseNamespaceRule(text string) (dag.NamespaceRule, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 3 {
		return dag.NamespaceRule{}, errors.New("want ID:NAME:SCHEME")
	}
	id, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return dag.NamespaceRule{}, fmt.Errorf("id %q is no number", parts[0])
	}
	rule := dag.NamespaceRule{ID: dag.Namespace(id), Name: parts[1], Scheme: dag.Scheme(parts[2])}
	switch {
	case rule.Scheme == dag.SchemeEthereum && len(parts) == 4:
		if rule.ChainID, err = strconv.ParseUint(parts[3], 10, 64); err != nil {
			return rule, fmt.Errorf("chain id %q is no number", parts[3])
		}
	case rule.Scheme == dag.SchemeEthereum:
		return rule, errors.New("want ID:NAME:ethereum:CHAIN-ID")
	case len(parts) > 3:
		return rule, errors.New("want ID:NAME:SCHEME")
	}
	return rule, nil
}

func newInitNetwork() *cobra.Command {
	plan := devnet.Plan{}
	c := &cobra.Command{
		Use:   "network DIR",
		Short: "Write the homes of a whole local network, as devnet does, without starting it",
		Long: `Write the homes of a whole local network below DIR, with one genesis and a network.json that says
where everything is. Start each node with "dunlin run --home DIR/NAME", or all of them with
"dunlin devnet --home DIR".`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			network, err := devnet.Create(args[0], plan)
			if err != nil {
				return err
			}
			for _, n := range network.Nodes {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "dunlin run --home %s   # %s\n", n.Home, n.API); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().IntVar(&plan.Validators, "validators", 4, "how many validators, 4 to 256")
	c.Flags().StringSliceVar(&plan.Hosts, "hosts", nil, "one IPv4 address per validator (default: all on 127.0.0.1, each on ports of its own)")
	c.Flags().IntVar(&plan.APIPort, "api-port", 0, "first API port on 127.0.0.1 (default: free ones)")
	return c
}

func printJSON(out io.Writer, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", raw)
	return err
}
