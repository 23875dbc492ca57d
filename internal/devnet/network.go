// Package devnet makes and runs a whole network of validators on one machine: it writes their
// homes, starts one process per validator, keeps demo rollups busy, shows how the validators are
// doing and, at the end, reads everything back to say whether they agreed and lost nothing.
package devnet

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/freeport"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/p2p"
)

// NetworkFile describes a network to scripts; it lies in the network's directory.
const NetworkFile = "network.json"

// GenesisFile is a copy of the genesis in the network's directory.
const GenesisFile = "genesis.json"

// The namespaces of a local network.
const (
	DemoA  dag.Namespace = 1001 // ethereum, chain id 1001, "demo-a"
	DemoB  dag.Namespace = 1002 // ethereum, chain id 1002, "demo-b"
	Open   dag.Namespace = 1003 // open, "open"
	Signed dag.Namespace = 1004 // ed25519, "signed"
)

// Ports of nodes that have a host of their own.
const (
	hostP2PPort = 4001
	hostAPIPort = 8080
)

const networkVersion = 1

// maxNetworkBytes bounds what is read as network.json; 256 nodes take some 100 KiB.
const maxNetworkBytes = 1 << 20

// Network is the content of network.json.
type Network struct {
	Version   int           `json:"version"`
	Chain     string        `json:"chain"`
	NetworkID crypto.Digest `json:"network_id"`
	Nodes     []Node        `json:"nodes"`

	dir string
}

// Node is one validator of a local network.
type Node struct {
	Name string `json:"name"`
	Home string `json:"home"` // absolute; dunlin run --home HOME starts the node
	PID  int    `json:"pid"`  // 0 while it does not run
	API  string `json:"api"`  // URL
	P2P  string `json:"p2p"`  // multiaddr with the node's id
}

// Plan says what network to write.
type Plan struct {
	Validators int
	// Hosts gives every validator an address of its own, with the usual ports. Empty: all listen on
	// 127.0.0.1, each on ports of its own.
	Hosts []string
	// APIPort is the first of the API's ports on 127.0.0.1; 0 takes free ones.
	APIPort int
}

// planError is a plan or a directory that does not work, and what would.
type planError struct {
	text, advice string
}

func (e *planError) Error() string { return e.text }

// Hint is what to do instead.
func (e *planError) Hint() string { return e.advice }

// Create writes the homes of a new network, and its network.json, below dir, which must be missing
// or empty. Blocks on disk, and for milliseconds per validator on keys.
func Create(dir string, plan Plan) (*Network, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("create network: %w", err)
	}
	if err := plan.check(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create network: %w", err)
	}
	switch there := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == NetworkFile }); {
	case there:
		return nil, &planError{dir + " holds a network already", "dunlin devnet --home " + dir + " starts it; or choose a new directory"}
	case len(entries) > 0:
		return nil, &planError{dir + " is not empty and holds no " + NetworkFile, "choose a new directory"}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create network: %w", err)
	}
	n, err := plan.draw(dir)
	if err != nil {
		return nil, fmt.Errorf("create network: %w", err)
	}
	return n, nil
}

func (p *Plan) check() error {
	switch {
	case p.Validators < dag.MinCommittee || p.Validators > dag.MaxCommittee:
		return &planError{fmt.Sprintf("%d validators, want %d to %d", p.Validators, dag.MinCommittee, dag.MaxCommittee), "--validators 4"}
	case len(p.Hosts) != 0 && len(p.Hosts) != p.Validators:
		return &planError{fmt.Sprintf("%d hosts for %d validators", len(p.Hosts), p.Validators), "name one host per validator"}
	case p.APIPort < 0 || p.APIPort+p.Validators > 1<<16:
		return &planError{fmt.Sprintf("API ports %d to %d do not exist", p.APIPort, p.APIPort+p.Validators-1), "--api-port 8080"}
	}
	return nil
}

// committee is that of the network's genesis file.
func (n *Network) committee() (*dag.Committee, error) {
	genesis, err := node.LoadGenesis(filepath.Join(n.dir, GenesisFile))
	if err != nil {
		return nil, err
	}
	committee, err := genesis.Committee()
	if err != nil {
		return nil, fmt.Errorf("read genesis: %w", err)
	}
	return committee, nil
}

// openNamespaces is how many namespaces anybody may register in a devnet.
const openNamespaces = 1024

// draw makes keys, genesis and homes.
func (p *Plan) draw(dir string) (*Network, error) {
	genesis := &dag.Genesis{
		Version: dag.GenesisVersion, Chain: "devnet", Created: uint64(time.Now().UnixMilli()),
		Namespaces: []dag.NamespaceRule{
			{ID: DemoA, Name: "demo-a", Scheme: dag.SchemeEthereum, ChainID: uint64(DemoA)},
			{ID: DemoB, Name: "demo-b", Scheme: dag.SchemeEthereum, ChainID: uint64(DemoB)},
			{ID: Open, Name: "open", Scheme: dag.SchemeOpen},
			{ID: Signed, Name: "signed", Scheme: dag.SchemeEd25519},
		},
		Admin: dag.AdminRule{Open: openNamespaces},
	}
	keys := make([]*crypto.Keys, p.Validators)
	for i := range keys {
		var err error
		if keys[i], err = crypto.GenerateKeys(rand.Reader); err != nil {
			return nil, err
		}
		genesis.Validators = append(genesis.Validators, dag.GenesisValidator{Name: nodeName(i), PublicKeys: keys[i].Public()})
	}
	configs, err := p.configs(keys)
	if err != nil {
		return nil, err
	}
	n := &Network{Version: networkVersion, Chain: genesis.Chain, NetworkID: genesis.Network(), dir: dir}
	for i, config := range configs {
		home := filepath.Join(dir, config.Name)
		if err := node.WriteHome(home, config, genesis, keys[i]); err != nil {
			return nil, err
		}
		n.Nodes = append(n.Nodes, Node{
			Name: config.Name, Home: home, API: "http://" + config.API.Listen, P2P: config.P2P.Peers[config.Name][0],
		})
	}
	if err := os.WriteFile(filepath.Join(dir, GenesisFile), genesis.Encode(), 0o644); err != nil {
		return nil, err
	}
	return n, n.Save()
}

func nodeName(i int) string { return "n" + strconv.Itoa(i) }

// configs gives every node its addresses and those of all others.
func (p *Plan) configs(keys []*crypto.Keys) ([]node.Config, error) {
	ports, err := p.ports()
	if err != nil {
		return nil, err
	}
	configs := make([]node.Config, p.Validators)
	peers := make(map[string][]string, p.Validators)
	for i := range configs {
		id, err := p2p.PeerID(keys[i].Identity.Public())
		if err != nil {
			return nil, err
		}
		listen := fmt.Sprintf("/ip4/%s/tcp/%d", ports[i].host, ports[i].p2p)
		peers[nodeName(i)] = []string{listen + "/p2p/" + id.String()}
		c := node.DefaultConfig()
		c.Name, c.P2P.Listen, c.P2P.Peers = nodeName(i), []string{listen}, peers
		c.API.Listen = net.JoinHostPort(ports[i].host, strconv.Itoa(ports[i].api))
		c.API.Insecure = len(p.Hosts) > 0 // in namespaces of this machine
		configs[i] = c
	}
	return configs, nil
}

type nodePorts struct {
	host     string
	p2p, api int
}

// ports chooses where the nodes listen. Free ports are all held until all are chosen.
func (p *Plan) ports() ([]nodePorts, error) {
	out := make([]nodePorts, p.Validators)
	if len(p.Hosts) > 0 {
		for i, host := range p.Hosts {
			if ip := net.ParseIP(host); ip == nil || ip.To4() == nil {
				return nil, &planError{fmt.Sprintf("host %q is no IPv4 address", host), "--hosts 10.0.0.1,10.0.0.2,..."}
			}
			out[i] = nodePorts{host, hostP2PPort, hostAPIPort}
		}
		return out, nil
	}
	const loopback = "127.0.0.1"
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close() // it never accepted anything
		}
	}()
	hold := func(port int) (int, error) {
		l, err := listenOn(loopback, port)
		if err != nil {
			return 0, &planError{err.Error(), "choose other ports: --api-port BASE, or 0 for free ones"}
		}
		held = append(held, l)
		return l.Addr().(*net.TCPAddr).Port, nil
	}
	for i := range out {
		api := 0
		if p.APIPort != 0 {
			api = p.APIPort + i
		}
		var err error
		out[i].host = loopback
		if out[i].api, err = hold(api); err != nil {
			return nil, err
		}
		if out[i].p2p, err = hold(0); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// listenOn listens on a port, 0 for a free one.
func listenOn(host string, port int) (net.Listener, error) {
	if port == 0 {
		return freeport.Listen(host)
	}
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// Load reads the network.json of a directory. fs.ErrNotExist: there is none.
func Load(dir string) (*Network, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("load network: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, NetworkFile))
	if err != nil {
		return nil, fmt.Errorf("load network: %w", err)
	}
	n := &Network{dir: dir}
	if len(raw) > maxNetworkBytes {
		return nil, fmt.Errorf("load network: %s of %d bytes, limit %d", NetworkFile, len(raw), maxNetworkBytes)
	}
	if err := json.Unmarshal(raw, n); err != nil {
		return nil, fmt.Errorf("load network: %s: %w", NetworkFile, err)
	}
	if n.Version != networkVersion || len(n.Nodes) == 0 {
		return nil, fmt.Errorf("load network: %s has version %d and %d nodes, want version %d", NetworkFile, n.Version, len(n.Nodes), networkVersion)
	}
	return n, nil
}

// Dir is the network's directory.
func (n *Network) Dir() string { return n.dir }

// Save writes network.json anew; a reader sees the old text or the new one.
func (n *Network) Save() error {
	raw, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return fmt.Errorf("save network: %w", err)
	}
	path := filepath.Join(n.dir, NetworkFile)
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("save network: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("save network: %w", err)
	}
	return nil
}
