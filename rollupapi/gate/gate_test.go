package gate_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/rollupapi/gate"
)

func request(remote string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://node:8080/v1/submit", nil)
	r.RemoteAddr = remote
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestTokens(t *testing.T) {
	first, second := strings.Repeat("a", 32), strings.Repeat("b", 32)
	g, err := gate.New(gate.Config{Tokens: []gate.Token{
		{Name: "swap", Secret: first, Allowance: gate.Allowance{RequestsPerSecond: 5}}, {Name: "game", Secret: second},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Bearer " + first: "token:swap", "bearer " + second: "token:game", "Bearer " + first[1:]: "", "Basic " + first: "", first: "", "": "", "Bearer ": "",
	} {
		c, err := g.Identify(request("127.0.0.1:1", "Authorization", header))
		if c.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", header, c.Name, err)
		}
		if want == "token:swap" && (c.Allowance.RequestsPerSecond != 5 || c.Local) {
			t.Errorf("%+v", c)
		}
	}
}

func TestConfig(t *testing.T) {
	long := strings.Repeat("a", 32)
	for name, c := range map[string]gate.Config{
		"short":     {Tokens: []gate.Token{{Name: "x", Secret: long[1:]}}},
		"no name":   {Tokens: []gate.Token{{Secret: long}}},
		"one name":  {Tokens: []gate.Token{{Name: "x", Secret: long}, {Name: "x", Secret: long + "b"}}},
		"space":     {Tokens: []gate.Token{{Name: "x", Secret: long + " "}}},
		"negative":  {Tokens: []gate.Token{{Name: "x", Secret: long, Allowance: gate.Allowance{MiBPerDay: -1}}}},
		"a path":    {Origins: []string{"https://a.example/x"}},
		"no scheme": {Origins: []string{"a.example"}},
		"many":      {Tokens: make([]gate.Token, gate.MaxTokens+1)},
	} {
		if _, err := gate.New(c); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestOrigin(t *testing.T) {
	closed, _ := gate.New(gate.Config{})
	open, err := gate.New(gate.Config{Origins: []string{"https://app.example"}})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := gate.New(gate.Config{Origins: []string{"*"}})
	for _, test := range []struct {
		gate       *gate.Gate
		origin     string
		pass, read bool
	}{
		{closed, "", true, false},
		{closed, "https://app.example", false, false},
		{closed, "null", false, false},
		{closed, "http://node:8080", true, false},
		{closed, "http://node:8081", false, false},
		{closed, "chrome-extension://abc", true, false},
		{open, "https://app.example", true, true},
		{open, "https://app.example.evil", false, false},
		{all, "null", true, true},
	} {
		if pass, read := test.gate.Origin(request("127.0.0.1:1", "Origin", test.origin)); pass != test.pass || read != test.read {
			t.Errorf("%q passes %t, reads %t", test.origin, pass, read)
		}
	}
}

// TestHost: without tokens and TLS a node goes by names that no stranger can point at it.
func TestHost(t *testing.T) {
	gates := map[string]gate.Config{
		"closed": {}, "named": {Hosts: []string{"Node.Example"}, Origins: []string{"https://app.example:8443"}}, "all": {Origins: []string{"*"}},
		"tokens": {Tokens: []gate.Token{{Name: "x", Secret: strings.Repeat("a", 32)}}},
	}
	for host, pass := range map[string]string{ // by which gates
		"127.0.0.1": "closed named", "127.0.0.1:8080": "closed named", "192.0.2.1:8080": "closed named", "[::1]": "closed named", "[::1]:8080": "closed named",
		"[fe80::1%25eth0]:8080": "closed named", "localhost": "closed named", "LocalHost.:8080": "closed named", "dunlin.localhost:8080": "closed named", "": "closed named",
		"node.example": "named", "NODE.example:1": "named", "app.example": "named", "app.example:8443": "named",
		"x.node.example": "", "example": "", "evil.example:8080": "", "localhost.evil.example": "", "127.0.0.1.evil.example": "", "notlocalhost": "", "127.0.0.1:8080:x": "",
		"[::1].evil.example": "", ".": "", "2130706433": "", "0x7f.1": "",
	} {
		for name, config := range gates {
			g, err := gate.New(config)
			if err != nil {
				t.Fatal(err)
			}
			r := request("127.0.0.1:1")
			r.Host = host
			want := name == "all" || name == "tokens" || strings.Contains(pass, name)
			if g.Host(r) != want {
				t.Errorf("%s: %q passes %t", name, host, !want)
			}
			r.TLS = &tls.ConnectionState{}
			if !g.Host(r) {
				t.Errorf("%s: %q does not pass over TLS, whose certificate tells", name, host)
			}
		}
	}
}

// TestAllowance: each client has its own, and gets it back with time.
func TestAllowance(t *testing.T) {
	g, err := gate.New(gate.Config{Each: gate.Allowance{RequestsPerSecond: 10, KiBPerSecond: 1, MiBPerDay: 1}})
	if err != nil {
		t.Fatal(err)
	}
	client := func(remote string) gate.Client {
		c, err := g.Identify(request(remote))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	now := time.Unix(1, 0)
	spend := func(remote string) (n int, wait time.Duration) {
		for ; n < 100; n++ {
			if wait, _ = g.Request(client(remote), now); wait > 0 {
				return n, wait
			}
		}
		return n, 0
	}
	if n, wait := spend("192.0.2.1:5"); n != 10 || wait != 100*time.Millisecond {
		t.Errorf("%d requests, then %v", n, wait)
	}
	if n, _ := spend("192.0.2.1:6"); n != 0 {
		t.Errorf("another port is another client: %d", n)
	}
	if n, _ := spend("192.0.2.2:5"); n != 10 {
		t.Errorf("another address shares: %d", n)
	}
	if n, _ := spend("[2001:db8::1]:5"); n != 10 {
		t.Error(n)
	}
	if n, _ := spend("[2001:db8::2]:5"); n != 0 {
		t.Errorf("another address of the same /64 is another client: %d", n)
	}
	if n, _ := spend("127.0.0.1:5"); n != 100 {
		t.Errorf("this machine is limited to %d", n)
	}
	now = now.Add(time.Second)
	if n, _ := spend("192.0.2.1:5"); n != 10 {
		t.Errorf("a second later: %d", n)
	}
	now = now.Add(time.Second)
	g.Body(client("192.0.2.1:5"), 3<<10, now) // one more KiB than there was, times two
	if wait, limit := g.Request(client("192.0.2.1:5"), now); wait < 2*time.Second || wait > 2100*time.Millisecond || limit != 1 {
		t.Errorf("after 3 KiB at 1 KiB/s: %v, %d", wait, limit)
	}
	g.Body(client("192.0.2.2:5"), 2<<20, now)
	now = now.Add(12 * time.Hour)
	if wait, _ := g.Request(client("192.0.2.2:5"), now); wait < 11*time.Hour {
		t.Errorf("after two days' bytes: %v", wait)
	}
	next := 0
	others := func(n int) {
		for range n {
			g.Request(client(fmt.Sprintf("10.%d.%d.%d:1", next>>16, next>>8&255, next&255)), now)
			next++
		}
	}
	for range 4 { // who comes back is kept, however many others come
		others(gate.MaxClients - 1)
		if wait, _ := g.Request(client("192.0.2.2:5"), now); wait < 11*time.Hour {
			t.Errorf("%d other addresses make good what one owes: %v", gate.MaxClients-1, wait)
		}
	}
	others(4 * gate.MaxClients) // many clients take bounded room, and drop each other
	if n := gate.Accounts(g); n > 2*gate.MaxClients {
		t.Errorf("%d accounts are kept", n)
	}
}

// TestTokensAreKept: what a token owes stands until it is paid off, whoever else calls.
func TestTokensAreKept(t *testing.T) {
	var tokens []gate.Token
	for i := range gate.MaxTokens {
		tokens = append(tokens, gate.Token{Name: fmt.Sprint(i), Secret: fmt.Sprintf("%032d", i), Allowance: gate.Allowance{RequestsPerSecond: 1, MiBPerDay: 1}})
	}
	g, err := gate.New(gate.Config{Tokens: tokens, Each: gate.Allowance{RequestsPerSecond: 1}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	client := func(i int) gate.Client {
		c, err := g.Identify(request("192.0.2.1:1", "Authorization", "Bearer "+tokens[i].Secret))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	g.Body(client(0), 2<<20, now)
	for range 2 {
		for i := 1; i < gate.MaxTokens; i++ {
			g.Request(client(i), now)
		}
		for i := range gate.MaxTokens {
			if _, err := g.Identify(request(fmt.Sprintf("10.%d.%d.1:1", i>>8, i&255))); err == nil {
				t.Fatal("a client without a token is let in")
			}
		}
	}
	if wait, _ := g.Request(client(0), now); wait < 23*time.Hour {
		t.Errorf("after so many others one that has sent two days' bytes waits for %v", wait)
	}
}

func TestListener(t *testing.T) {
	inner := &accepted{conns: make(chan net.Conn, 8)}
	l := gate.Listener(inner, 2)
	var got []net.Conn
	offer := func(remote string) *conn {
		c := &conn{remote: remote}
		inner.conns <- c
		return c
	}
	a, b, third := offer("192.0.2.1:1"), offer("192.0.2.1:2"), offer("192.0.2.1:3")
	offer("192.0.2.2:1")
	for range 3 {
		offer("127.0.0.1:1")
	}
	for range 6 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	if a.closed || b.closed || !third.closed {
		t.Errorf("closed: %t %t %t", a.closed, b.closed, third.closed)
	}
	got[0].Close()
	got[0].Close() // counts once
	last, more := offer("192.0.2.1:4"), offer("192.0.2.1:5")
	offer("127.0.0.1:2")
	l.Accept()
	l.Accept()
	if last.closed || !more.closed {
		t.Errorf("after one left: closed %t %t", last.closed, more.closed)
	}
}

type accepted struct {
	net.Listener
	conns chan net.Conn
}

// Accept is the next of the test's connections.
func (a *accepted) Accept() (net.Conn, error) { return <-a.conns, nil }

type conn struct {
	net.Conn
	remote string
	closed bool
}

// RemoteAddr is what the test says.
func (c *conn) RemoteAddr() net.Addr { return addr(c.remote) }

// Close notes it.
func (c *conn) Close() error { c.closed = true; return nil }

type addr string

// Network is TCP.
func (a addr) Network() string { return "tcp" }

// String is the address.
func (a addr) String() string { return string(a) }
