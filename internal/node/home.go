package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/rollupapi/execution"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
)

// What a node's home directory holds.
const (
	ConfigFile  = "config.toml"
	GenesisFile = "genesis.json"
	KeyFile     = "key.json"   // readable by its owner only
	DataDir     = "data"       // the store's
	LogFile     = "node.log"   // where devnet and service files send what the node logs
	AdminSocket = "admin.sock" // while the node runs: where its owner's commands reach it
)

// HomeError is what is wrong with a home directory, and what to do about it.
type HomeError struct {
	Err    error
	Advice string // the next thing to type or to look at
}

// Error is what is wrong.
func (e *HomeError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *HomeError) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *HomeError) Hint() string { return e.Advice }

func homeError(advice, format string, args ...any) error {
	return &HomeError{fmt.Errorf(format, args...), advice}
}

// Home is a node's home directory, read and checked.
type Home struct {
	Dir     string
	Config  Config
	Genesis *dag.Genesis
	Keys    *crypto.Keys
	Listen  []multiaddr.Multiaddr // Config.P2P.Listen
	// Announce is Config.P2P.Announce.
	Announce []multiaddr.Multiaddr
	// Peers is Config.P2P.Peers without this node, in the order of the genesis, and Config.P2P.Bootstrap.
	Peers     []peer.AddrInfo
	Gate      *gate.Gate         // who may call the API
	TLS       *tls.Config        // of the API; nil for clear text
	Execution *execution.Clients // of the namespaces in the config
}

// DataDir is where the node's store lives.
func (h *Home) DataDir() string { return filepath.Join(h.Dir, DataDir) }

// Author is this node's index in the first committee; false for an observer.
func (h *Home) Author() (dag.Author, bool) {
	for i := range h.Genesis.Validators {
		if h.Genesis.Validators[i].Identity == h.Keys.Identity.Public() {
			return dag.Author(i), true
		}
	}
	return 0, false
}

// LoadHome reads the home directory dir. Every error is a *HomeError.
func LoadHome(dir string) (*Home, error) {
	h := &Home{Dir: dir}
	var err error
	if h.Config, err = loadConfig(dir); err != nil {
		return nil, err
	}
	keyPath := filepath.Join(dir, KeyFile)
	if h.Keys, err = crypto.ReadKeyFile(keyPath); err != nil {
		return nil, &HomeError{err, adviceOnKey(err, dir, keyPath)}
	}
	genesisPath := filepath.Join(dir, GenesisFile)
	if _, err := os.Stat(genesisPath); errors.Is(err, fs.ErrNotExist) {
		return nil, homeError("get the network's genesis file and type: dunlin init --home "+dir+" --genesis FILE", "load genesis: %w", err)
	}
	if h.Genesis, err = LoadGenesis(genesisPath); err != nil {
		return nil, err
	}
	if a, ok := h.Author(); ok && h.Genesis.Validators[a].Name != h.Config.Name {
		return nil, homeError(fmt.Sprintf("set name = %q in %s", h.Genesis.Validators[a].Name, filepath.Join(dir, ConfigFile)),
			"load home: this validator is %q in the genesis and %q in the config", h.Genesis.Validators[a].Name, h.Config.Name)
	}
	if _, validator := h.Author(); validator && h.Config.P2P.Relay {
		return nil, homeError("set relay = false in "+filepath.Join(dir, ConfigFile)+"; run an observer as the relay",
			"load home: p2p.relay: a validator is no relay for others")
	}
	if err := h.parseAddresses(); err != nil {
		return nil, homeError("edit "+filepath.Join(dir, ConfigFile), "load home: %w", err)
	}
	if h.Gate, err = h.gate(); err != nil {
		return nil, err
	}
	if h.TLS, err = h.tls(); err != nil {
		return nil, err
	}
	if h.Execution, err = execution.New(h.Config.API.Execution); err != nil {
		return nil, homeError("edit "+filepath.Join(dir, ConfigFile), "load home: api.execution: %w", err)
	}
	return h, nil
}

func loadConfig(dir string) (Config, error) {
	path := filepath.Join(dir, ConfigFile)
	text, err := readLimited(path, maxConfigBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Config{}, homeError("dunlin init --home "+dir, "load home: %s is no home of a node: %w", dir, err)
	case err != nil:
		return Config{}, homeError("look at "+path, "load home: %w", err)
	}
	config, err := ParseConfig(text)
	if err != nil {
		return Config{}, homeError("edit "+path, "load home: %s: %w", path, err)
	}
	return config, nil
}

// adviceOnGenesis is for who has no good genesis file.
const adviceOnGenesis = "ask whoever runs the network for its genesis file; every node has it as " + GenesisFile + " in its home"

// LoadGenesis reads and checks a genesis file. Every error is a *HomeError.
func LoadGenesis(path string) (*dag.Genesis, error) {
	raw, err := readLimited(path, dag.MaxGenesisBytes)
	if err != nil {
		return nil, homeError(adviceOnGenesis, "load genesis: %w", err)
	}
	genesis, err := dag.DecodeGenesis(raw)
	if err != nil {
		return nil, homeError(adviceOnGenesis, "load genesis %s: %w", path, err)
	}
	return genesis, nil
}

func adviceOnKey(err error, dir, path string) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "restore " + path + " from a backup, or make a new node: dunlin init --home DIRECTORY"
	case errors.Is(err, fs.ErrPermission):
		return "run as the owner of " + dir
	}
	if info, statErr := os.Stat(path); statErr == nil && info.Mode().Perm()&^crypto.KeyFileMode != 0 {
		return "chmod 600 " + path
	}
	return "restore " + path + " from a backup"
}

// parseAddresses fills Listen and Peers from the config and holds the peers against the genesis.
func (h *Home) parseAddresses() error {
	var err error
	if h.Listen, err = parseAddresses("p2p.listen", h.Config.P2P.Listen); err != nil {
		return err
	}
	if h.Announce, err = parseAddresses("p2p.announce", h.Config.P2P.Announce); err != nil {
		return err
	}
	known := make(map[string]bool, len(h.Genesis.Validators))
	for i := range h.Genesis.Validators {
		v := &h.Genesis.Validators[i]
		known[v.Name] = true
		texts := h.Config.P2P.Peers[v.Name]
		if len(texts) == 0 || v.Identity == h.Keys.Identity.Public() {
			continue
		}
		info, err := peerInfo(v, texts)
		if err != nil {
			return err
		}
		h.Peers = append(h.Peers, info)
	}
	for name := range h.Config.P2P.Peers {
		if !known[name] {
			return fmt.Errorf("p2p.peers.%s: the genesis has no validator of that name", name)
		}
	}
	return h.addBootstrap()
}

// addBootstrap adds the nodes through which the others are found, but not this one.
func (h *Home) addBootstrap() error {
	infos, err := h.Config.P2P.bootstrap()
	if err != nil {
		return err
	}
	self, err := p2p.PeerID(h.Keys.Identity.Public())
	if err != nil {
		return err
	}
	for _, info := range infos {
		if info.ID != self {
			h.Peers = append(h.Peers, info)
		}
	}
	return nil
}

// peerInfo is where a validator is dialled. An id in an address must be the validator's.
func peerInfo(v *dag.GenesisValidator, texts []string) (peer.AddrInfo, error) {
	key := "p2p.peers." + v.Name
	if len(texts) > maxPeerAddresses {
		return peer.AddrInfo{}, fmt.Errorf("%s: %d addresses, limit %d", key, len(texts), maxPeerAddresses)
	}
	addresses, err := parseAddresses(key, texts)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	id, err := p2p.PeerID(v.Identity)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	for i, address := range addresses {
		transport, named := peer.SplitAddr(address)
		if named != "" && named != id {
			return peer.AddrInfo{}, fmt.Errorf("%s: address ends in the id of somebody else, the genesis says %s", key, id)
		}
		if transport == nil {
			return peer.AddrInfo{}, fmt.Errorf("%s: address %s says not where", key, address)
		}
		addresses[i] = transport
	}
	return peer.AddrInfo{ID: id, Addrs: addresses}, nil
}

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return raw, nil
}
