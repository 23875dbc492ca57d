package node

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/dunlin-network/dunlin/rollupapi/execution"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
)

// APIConfig says where the API for rollups and wallets is served, and to whom.
type APIConfig struct {
	// Listen is host:port; port 0 takes a free one.
	Listen string `toml:"listen"`
	// TLSCert and TLSKey are PEM files, Tokens the file of clients; relative to the home.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	Tokens  string `toml:"tokens"`
	// Insecure lets others reach a port without TLS or tokens.
	Insecure bool `toml:"insecure"`
	// Origins are the web pages that may call.
	Origins []string `toml:"origins"`
	// RequestsPerSecond and KiBPerSecond bound each client without a token; 0 for no limit.
	RequestsPerSecond int `toml:"requests_per_second"`
	KiBPerSecond      int `toml:"kib_per_second"`
	// Execution is the JSON-RPC URL of each namespace's execution client, by the namespace's id or name.
	Execution map[string]string `toml:"execution"`
}

// maxTokensBytes bounds the tokens file: 1,024 of them take some 200 KiB.
const maxTokensBytes = 1 << 20

// certificateEvery is how often it is looked whether the certificate was renewed.
const certificateEvery = time.Minute

func (c *APIConfig) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil || !isPlain(c.Listen):
		return fmt.Errorf("api.listen %q: want host:port", c.Listen)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("api.tls_cert and api.tls_key: give both or none")
	case c.RequestsPerSecond < 0 || c.KiBPerSecond < 0:
		return errors.New("api.requests_per_second and api.kib_per_second: want 0 for no limit, or more")
	case !isLoopback(host) && !c.Insecure && (c.TLSCert == "" || c.Tokens == ""):
		return fmt.Errorf("api.listen %q can be reached from other machines: set api.tls_cert, api.tls_key and api.tokens, listen on 127.0.0.1, or set api.insecure = true", c.Listen)
	}
	_, err = gate.New(gate.Config{Origins: c.Origins})
	if err != nil {
		return fmt.Errorf("api.origins: %w", err)
	}
	clients, err := execution.New(c.Execution)
	if err != nil {
		return fmt.Errorf("api.execution: %w", err)
	}
	clients.Close()
	return nil
}

// isLoopback reports whether only this machine reaches a host; none is all interfaces.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// gate is who may call the API.
func (h *Home) gate() (*gate.Gate, error) {
	c := &h.Config.API
	config := gate.Config{Origins: c.Origins, Each: gate.Allowance{RequestsPerSecond: c.RequestsPerSecond, KiBPerSecond: c.KiBPerSecond}}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		config.Hosts = []string{host}
	}
	if c.Tokens == "" {
		return gate.New(config)
	}
	path := h.path(c.Tokens)
	var err error
	if config.Tokens, err = readTokens(path); err != nil {
		return nil, err
	}
	g, err := gate.New(config)
	if err != nil {
		return nil, homeError("edit "+path, "read tokens: %w", err)
	}
	return g, nil
}

// readTokens reads the file of clients.
func readTokens(path string) ([]gate.Token, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, homeError("write it, or leave api.tokens empty", "read tokens: %w", err)
	case err != nil:
		return nil, homeError("look at "+path, "read tokens: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, homeError("chmod 600 "+path, "read tokens: %s can be read by others", path)
	}
	raw, err := readLimited(path, maxTokensBytes)
	if err != nil {
		return nil, homeError("look at "+path, "read tokens: %w", err)
	}
	var file struct {
		Token []gate.Token `toml:"token"`
	}
	if err := strictTOML(raw, &file); err != nil {
		return nil, homeError("edit "+path, "read tokens: %s: %w", path, err)
	}
	if len(file.Token) == 0 {
		return nil, homeError("add a [[token]] to "+path+", or leave api.tokens empty", "read tokens: %s has none: nobody could call", path)
	}
	return file.Token, nil
}

// path is a file that the config names, relative to the home.
func (h *Home) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(h.Dir, name)
}

// tls is how the API is encrypted; nil for clear text.
func (h *Home) tls() (*tls.Config, error) {
	c := &h.Config.API
	if c.TLSCert == "" {
		return nil, nil
	}
	r := &renewed{cert: h.path(c.TLSCert), key: h.path(c.TLSKey)}
	if _, err := r.certificate(time.Now()); err != nil {
		return nil, homeError("look at api.tls_cert and api.tls_key in "+filepath.Join(h.Dir, ConfigFile), "read certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.certificate(time.Now()) },
	}, nil
}

// scheme is how a URL of the API begins.
func (h *Home) scheme() string {
	if h.TLS != nil {
		return "https://"
	}
	return "http://"
}

// renewed is a certificate that may be renewed while the node runs. It is safe for concurrent use.
type renewed struct {
	cert, key string // files

	mu     sync.Mutex
	have   *tls.Certificate
	of     time.Time // when the file was written that have is from
	looked time.Time
}

// certificate is the newest that could be read.
func (r *renewed) certificate(now time.Time) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.have != nil && now.Sub(r.looked) < certificateEvery {
		return r.have, nil
	}
	r.looked = now
	info, err := os.Stat(r.cert)
	if err == nil && r.have != nil && info.ModTime().Equal(r.of) {
		return r.have, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(r.cert, r.key)
	}
	if err == nil {
		r.have, r.of = &pair, info.ModTime()
	}
	if r.have == nil { // else the old one serves until its files are whole again
		return nil, err
	}
	return r.have, nil
}

// strictTOML reads TOML whose keys are all known.
func strictTOML(raw []byte, into any) error {
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(into); err != nil {
		return explainTOML(err)
	}
	return nil
}
