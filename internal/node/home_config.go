package node

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/pelletier/go-toml/v2"

	"github.com/dunlin-network/dunlin/p2p"
)

// Config is a node's config.toml. DefaultConfig names every field's default; a file may leave out
// what it does not change.
type Config struct {
	Name   string       `toml:"name"`
	P2P    P2PConfig    `toml:"p2p"`
	API    APIConfig    `toml:"api"`
	Store  StoreConfig  `toml:"store"`
	Log    LogConfig    `toml:"log"`
	Limits LimitsConfig `toml:"limits"`
}

// P2PConfig says where the node listens for other nodes and where it finds them.
type P2PConfig struct {
	// Listen are multiaddrs of local interfaces, TCP or QUIC.
	Listen []string `toml:"listen"`
	// Bootstrap are multiaddrs, each with /p2p/ID, of nodes through which the others are found.
	Bootstrap []string `toml:"bootstrap"`
	// Announce are the multiaddrs that others are told; empty for those that the node listens on.
	Announce []string `toml:"announce"`
	// Relay says whether observers behind NATs meet through this one. Validators are none.
	Relay bool `toml:"relay"`
	// Peers maps a validator's name in the genesis to the multiaddrs where it is dialled.
	Peers map[string][]string `toml:"peers"`
}

// StoreConfig says what the node keeps on its disk.
type StoreConfig struct {
	// Retention is "archive" for all of the history, or how much of the newest: "N commits" or "N GiB".
	Retention string `toml:"retention"`
	// Start is where the history of a node without one begins: "auto", "genesis" or "snapshot".
	Start string `toml:"start"`
}

// LogConfig says what the node writes to standard error.
type LogConfig struct {
	Level  string `toml:"level"`  // debug, info, warn or error
	Format string `toml:"format"` // text or json
}

// LimitsConfig bounds what the node spends on others.
type LimitsConfig struct {
	PoolMiB        int `toml:"pool_mib"`
	Observers      int `toml:"observers"`
	Streams        int `toml:"streams"`
	MinFreeDiskMiB int `toml:"min_free_disk_mib"`
}

// Ranges of the configured limits, each from the smallest useful value to what a machine can bear.
const (
	minPoolMiB, maxPoolMiB         = 1, 4096     // MiB of waiting transactions
	minObservers, maxObservers     = 0, 1024     // connections
	minStreams, maxStreams         = 1, 65536    // open API streams
	minFreeDiskMiB, maxFreeDiskMiB = 64, 1 << 20 // MiB; a memory-mapped store dies on a full disk
	maxConfigBytes                 = 1 << 20     // a config file of 256 peers takes some 50 KiB
	maxPeerAddresses               = 8           // per peer; a node has few ways in
	maxListenAddresses             = 16          // interfaces times transports
	maxBootstrap                   = 16          // addresses; they are dialled for ever
	maxNameLength                  = 32          // shown in every status line
)

// DefaultConfig is the configuration of a node that listens on the usual ports of this machine's
// loopback interface and knows no peers.
func DefaultConfig() Config {
	return Config{
		Name: "node",
		P2P: P2PConfig{
			Listen:    []string{"/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/udp/4001/quic-v1"},
			Bootstrap: []string{}, Announce: []string{},
		},
		API:    APIConfig{Listen: "127.0.0.1:8080", RequestsPerSecond: 500, KiBPerSecond: 8192, Origins: []string{}},
		Store:  StoreConfig{Retention: archive, Start: startAuto},
		Log:    LogConfig{Level: "info", Format: "text"},
		Limits: LimitsConfig{PoolMiB: 64, Observers: 64, Streams: 256, MinFreeDiskMiB: 1024},
	}
}

// ParseConfig reads a config.toml: defaults where the file says nothing, unknown keys refused.
func ParseConfig(text []byte) (Config, error) {
	c := DefaultConfig()
	if len(text) > maxConfigBytes {
		return c, fmt.Errorf("config of %d bytes, limit %d", len(text), maxConfigBytes)
	}
	if err := strictTOML(text, &c); err != nil {
		return c, err
	}
	return c, c.Check()
}

// explainTOML names the line of a syntax error and every unknown key.
func explainTOML(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var keys []string
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			keys = append(keys, fmt.Sprintf("%s (line %d)", strings.Join(e.Key(), "."), line))
		}
		return fmt.Errorf("unknown keys: %s", strings.Join(keys, ", "))
	}
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		line, column := syntax.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// Check reports the first thing that is wrong with c, naming the key.
func (c *Config) Check() error {
	if len(c.Name) > maxNameLength || !validName.MatchString(c.Name) {
		return fmt.Errorf("name %q: want up to %d of a-z, 0-9 and -", c.Name, maxNameLength)
	}
	if n := len(c.P2P.Listen); n == 0 || n > maxListenAddresses {
		return fmt.Errorf("p2p.listen: %d addresses, want 1 to %d", n, maxListenAddresses)
	}
	if _, err := parseAddresses("p2p.listen", c.P2P.Listen); err != nil {
		return err
	}
	if _, err := parseAddresses("p2p.announce", c.P2P.Announce); err != nil || len(c.P2P.Announce) > maxListenAddresses {
		return cmp.Or(err, fmt.Errorf("p2p.announce: %d addresses, limit %d", len(c.P2P.Announce), maxListenAddresses))
	}
	if _, err := c.P2P.bootstrap(); err != nil {
		return err
	}
	for name := range c.P2P.Peers {
		if len(name) > maxNameLength || !validName.MatchString(name) {
			return fmt.Errorf("p2p.peers: name %q: want up to %d of a-z, 0-9 and -", name, maxNameLength)
		}
	}
	if err := c.API.check(); err != nil {
		return err
	}
	if _, err := c.Store.retention(); err != nil {
		return err
	}
	if err := c.Store.checkStart(); err != nil {
		return err
	}
	if _, err := c.Log.SlogLevel(); err != nil {
		return err
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("log.format %q: want text or json", c.Log.Format)
	}
	return c.Limits.check()
}

func (l *LimitsConfig) check() error {
	for _, limit := range []struct {
		key           string
		value, lo, hi int
	}{
		{"pool_mib", l.PoolMiB, minPoolMiB, maxPoolMiB},
		{"observers", l.Observers, minObservers, maxObservers},
		{"streams", l.Streams, minStreams, maxStreams},
		{"min_free_disk_mib", l.MinFreeDiskMiB, minFreeDiskMiB, maxFreeDiskMiB},
	} {
		if limit.value < limit.lo || limit.value > limit.hi {
			return fmt.Errorf("limits.%s = %d: want %d to %d", limit.key, limit.value, limit.lo, limit.hi)
		}
	}
	return nil
}

// SlogLevel is the level as slog knows it.
func (l LogConfig) SlogLevel() (slog.Level, error) {
	switch l.Level {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log.level %q: want debug, info, warn or error", l.Level)
}

func parseAddresses(key string, texts []string) ([]multiaddr.Multiaddr, error) {
	out := make([]multiaddr.Multiaddr, len(texts))
	for i, text := range texts {
		if !isPlain(text) {
			return nil, fmt.Errorf("%s: %q holds a space or a character that is not ASCII", key, text)
		}
		address, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no multiaddr such as /ip4/192.0.2.1/tcp/4001: %w", key, text, err)
		}
		out[i] = address
	}
	return out, nil
}

// bootstrap is Bootstrap as libp2p takes it, one entry per node.
func (c *P2PConfig) bootstrap() ([]peer.AddrInfo, error) {
	const key = "p2p.bootstrap"
	if len(c.Bootstrap) > maxBootstrap {
		return nil, fmt.Errorf("%s: %d addresses, limit %d", key, len(c.Bootstrap), maxBootstrap)
	}
	addresses, err := parseAddresses(key, c.Bootstrap)
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		transport, id := peer.SplitAddr(address)
		if _, err := p2p.IdentityOf(id); err != nil || transport == nil {
			return nil, fmt.Errorf("%s: %s does not end in the id of a node, as in /ip4/192.0.2.1/tcp/4001/p2p/ID", key, address)
		}
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addresses...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	slices.SortFunc(infos, func(a, b peer.AddrInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos, nil
}

// isPlain reports whether text is printable ASCII without spaces.
func isPlain(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Encode is the config.toml of c with a comment for every key.
func (c *Config) Encode() ([]byte, error) {
	var out bytes.Buffer
	if err := configTemplate.Execute(&out, c); err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	return out.Bytes(), nil
}

var configTemplate = template.Must(template.New("config.toml").Parse(`# A Dunlin node. Every key may be left out; the values that init wrote are the defaults
# unless they differ from node to node.

# Name of this node in logs and status. A validator's name also stands in the genesis.
name = {{printf "%q" .Name}}

[p2p]
# Where other nodes reach this one. TCP costs less, QUIC does better over long distances.
listen = [
{{- range .P2P.Listen}}
  {{printf "%q" .}},
{{- end}}
]

# Where this node finds the others: addresses of one or more nodes of the network that are always there,
# validators or not, each ending in the node's id: /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo...
bootstrap = [
{{- range .P2P.Bootstrap}}
  {{printf "%q" .}},
{{- end}}
]
# Where others are told to reach this node, if that is not where it listens: behind a port that is passed on.
announce = [
{{- range .P2P.Announce}}
  {{printf "%q" .}},
{{- end}}
]
# Let observers behind NATs meet through this node. For an observer that everybody can reach; validators
# are no relays.
relay = {{.P2P.Relay}}

[p2p.peers]
# Where to dial the validators, by their names in the genesis. Who is not listed, or has moved, is found
# through the others; what is listed is always tried as well.
# alice = ["/ip4/192.0.2.1/tcp/4001"]
{{- range $name, $addresses := .P2P.Peers}}
{{printf "%q" $name}} = [{{range $i, $a := $addresses}}{{if $i}}, {{end}}{{printf "%q" $a}}{{end}}]
{{- end}}

[api]
# Where rollups and wallets reach this node: host:port. Port 0 takes a free one. On any address but this
# machine's own (127.0.0.1, ::1) the node wants TLS and tokens, or to be told that it may go without.
listen = {{printf "%q" .API.Listen}}
# certificate (with its chain) and key in PEM; paths are relative to this directory. Renewed files are taken by
# themselves.
tls_cert = {{printf "%q" .API.TLSCert}}
tls_key = {{printf "%q" .API.TLSKey}}
# File with the clients that may call; readable by its owner only. Empty: everybody may. For each client:
#   [[token]]
#   name = "swap"
#   secret = "..."            # sent as Authorization: Bearer; make one with: openssl rand -hex 32
#   requests_per_second = 0   # 0: no limit; also kib_per_second and mib_per_day, of request bodies
tokens = {{printf "%q" .API.Tokens}}
# true lets a listener that others can reach go without TLS and tokens: behind a proxy that has both
insecure = {{.API.Insecure}}
# web pages that may call, such as "https://app.example.org"; "*" for all. Without TLS and tokens the node is called by its IP
# address, as localhost, or by the names of these and of listen, and by no other.
origins = [{{range $i, $o := .API.Origins}}{{if $i}}, {{end}}{{printf "%q" $o}}{{end}}]
# Of each client without a token, by its address. 0: no limit. Clients on this machine are not limited.
requests_per_second = {{.API.RequestsPerSecond}}
# of request bodies
kib_per_second = {{.API.KiBPerSecond}}

[api.execution]
# JSON-RPC of the rollups' execution clients, by id or name of the namespace: what /rpc/NAMESPACE is asked
# beside sending (eth_, net_ and web3_ methods that read) is passed on to it.
# 1001 = "http://127.0.0.1:8545"
{{- range $name, $url := .API.Execution}}
{{printf "%q" $name}} = {{printf "%q" $url}}
{{- end}}

[store]
# How much of the history this node keeps: "archive" for all of it, or the newest "N commits" or "N GiB".
# Who asks for what is gone is told PRUNED.
retention = {{printf "%q" .Store.Retention}}
# Where the history of a new node begins: with the first commit ("genesis"), or with a snapshot that other nodes give
# and 2f+1 validators vouch for ("snapshot"). "auto": genesis for an archive, else a snapshot if much has been
# ordered. The same says what a node does that was away for so long that nobody has what it lacks.
start = {{printf "%q" .Store.Start}}

[log]
# debug, info, warn or error
level = {{printf "%q" .Log.Level}}
# text or json, to standard error
format = {{printf "%q" .Log.Format}}

[limits]
# MiB of transactions that wait for a block; beyond, clients are told to retry
pool_mib = {{.Limits.PoolMiB}}
# connected nodes that are no validators
observers = {{.Limits.Observers}}
# API streams that are open at once
streams = {{.Limits.Streams}}
# MiB of free disk below which the node stops proposing
min_free_disk_mib = {{.Limits.MinFreeDiskMiB}}
`))
