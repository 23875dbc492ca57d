// Package gate decides who may call the API and how much: bearer tokens, web pages' origins, and each
// client's share of requests, bytes and connections. It answers in values and writes nothing to clients.
package gate

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of a configuration.
const (
	MaxTokens       = 1024
	MaxOrigins      = 64
	MinSecretLength = 32 // characters; 32 hex digits are 128 bits
	MaxSecretLength = 512
	maxNameLength   = 64
)

// Allowance is how much one client may do. 0 is without limit.
type Allowance struct {
	RequestsPerSecond int `toml:"requests_per_second"`
	KiBPerSecond      int `toml:"kib_per_second"` // of request bodies
	MiBPerDay         int `toml:"mib_per_day"`    // of request bodies
}

// Token is a client that proves itself with a secret.
type Token struct {
	Name   string `toml:"name"` // in the node's log, and of idempotency keys
	Secret string `toml:"secret"`
	Allowance
}

// Config says who may call. The zero value lets everybody but web pages call without limits.
type Config struct {
	Tokens  []Token   // if there are any, every call needs one
	Origins []string  // of web pages that may call, such as https://app.example.org; "*" for all
	Hosts   []string  // names by which this node is called, beside localhost and those of Origins; see Gate.Host
	Each    Allowance // of a client without a token, by its address; clients on this machine are not limited
}

// Client is who calls.
type Client struct {
	Name      string    // "token:" and its name, or an address; of IPv6 the first 64 bits
	Allowance Allowance // what it may do
	Local     bool      // without a token, from this machine
}

// ErrToken is returned for calls without a token that counts.
var ErrToken = errors.New("no bearer token that this node knows")

// Gate is safe for concurrent use.
type Gate struct {
	config  Config
	secrets [][sha256.Size]byte // of config.Tokens
	hosts   map[string]bool     // names by which this node may be called, lower case
	buckets *buckets
}

// New returns a gate, or says what is wrong with the configuration.
func New(c Config) (*Gate, error) {
	if len(c.Tokens) > MaxTokens || len(c.Origins) > MaxOrigins {
		return nil, fmt.Errorf("%d tokens and %d origins, limits %d and %d", len(c.Tokens), len(c.Origins), MaxTokens, MaxOrigins)
	}
	g := &Gate{config: c, hosts: map[string]bool{"localhost": true}, buckets: newBuckets()}
	for _, name := range c.Hosts {
		g.hosts[plainName(name)] = true
	}
	names := map[string]bool{}
	for i := range c.Tokens {
		t := &c.Tokens[i]
		if t.Name == "" || len(t.Name) > maxNameLength || names[t.Name] {
			return nil, fmt.Errorf("token %d: name %q: want up to %d characters, and no name twice", i+1, t.Name, maxNameLength)
		}
		if n := len(t.Secret); n < MinSecretLength || n > MaxSecretLength || strings.ContainsAny(t.Secret, " \t\r\n") {
			return nil, fmt.Errorf("token %q: secret of %d characters: want %d to %d without spaces, such as `openssl rand -hex 32` prints", t.Name, n, MinSecretLength, MaxSecretLength)
		}
		if a := t.Allowance; min(a.RequestsPerSecond, a.KiBPerSecond, a.MiBPerDay) < 0 {
			return nil, fmt.Errorf("token %q: a limit below 0", t.Name)
		}
		names[t.Name] = true
		g.secrets = append(g.secrets, sha256.Sum256([]byte(t.Secret)))
	}
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return nil, fmt.Errorf("origin %q: want scheme and host, such as https://app.example.org, or *", origin)
		}
		if origin != "*" {
			g.hosts[plainName(u.Hostname())] = true
		}
	}
	return g, nil
}

// Each is what a client without a token may do.
func (g *Gate) Each() Allowance { return g.config.Each }

// Identify says who calls. The error is ErrToken. The time it takes tells nothing about a secret.
func (g *Gate) Identify(r *http.Request) (Client, error) {
	if len(g.secrets) > 0 {
		return g.byToken(r.Header.Get("Authorization"))
	}
	address, local := addressOf(r.RemoteAddr)
	c := Client{Name: address, Local: local}
	if !local {
		c.Allowance = g.config.Each
	}
	return c, nil
}

func (g *Gate) byToken(header string) (Client, error) {
	scheme, secret, _ := strings.Cut(header, " ")
	sum, found := sha256.Sum256([]byte(strings.TrimSpace(secret))), -1
	for i := range g.secrets { // all of them, always
		if subtle.ConstantTimeCompare(sum[:], g.secrets[i][:]) == 1 {
			found = i
		}
	}
	if found < 0 || !strings.EqualFold(scheme, "Bearer") {
		return Client{}, ErrToken
	}
	t := &g.config.Tokens[found]
	return Client{Name: "token:" + t.Name, Allowance: t.Allowance}, nil
}

// addressOf is a remote address without its port, and whether it is this machine's.
func addressOf(remote string) (address string, local bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host, false
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() { // whoever has one address has the whole /64
		if prefix, err := ip.Prefix(64); err == nil {
			return prefix.String(), false
		}
	}
	return ip.String(), ip.IsLoopback()
}

// Host reports whether a request may go on that names this node as it does. Without tokens and in clear text, whoever comes
// as far as the port may call. So that a web page does not, which has made a name of its own stand for this node's address
// ("DNS rebinding") and is of the node's own origin then, only these names are taken: IP addresses, localhost and what ends
// in .localhost, and the names of the configuration.
func (g *Gate) Host(r *http.Request) bool {
	if len(g.secrets) > 0 || r.TLS != nil || r.Host == "" || slices.Contains(g.config.Origins, "*") {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	name := plainName(host)
	return g.hosts[name] || strings.HasSuffix(name, ".localhost")
}

// plainName is a host's name as it is compared.
func plainName(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// Origin says what to make of a request with an Origin header: whether it may go on, and whether its page may
// read the answer. Pages that this node serves itself may; so may requests of browsers' extensions go on,
// which wallets are.
func (g *Gate) Origin(r *http.Request) (pass, read bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true, false
	}
	if slices.Contains(g.config.Origins, "*") || slices.Contains(g.config.Origins, origin) {
		return true, true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false, false // "null" is any page in a sandbox
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return u.Host == r.Host, false
	}
	return true, false
}

// Request counts one request of a client. If it is too many, wait says in how much time one may come.
func (g *Gate) Request(c Client, now time.Time) (wait time.Duration, limit int) {
	return g.buckets.request(c, now)
}

// Body counts bytes of a client's requests, which have come already: what is too much delays its next request.
func (g *Gate) Body(c Client, bytes int, now time.Time) {
	g.buckets.body(c, bytes, now)
}
