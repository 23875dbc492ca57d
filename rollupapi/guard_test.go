package rollupapi_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

func gated(t testing.TB, c gate.Config) http.Handler {
	t.Helper()
	g, err := gate.New(c)
	if err != nil {
		t.Fatal(err)
	}
	config := apitest.New(t).Config()
	config.Gate = g
	return rollupapi.Handler(rollupapi.New(config))
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "192.0.2.1:5", "192.0.2.9:8080"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestOrigins: web pages may not call unless they are listed; what they could send without asking neither.
func TestOrigins(t *testing.T) {
	closed, open := gated(t, gate.Config{}), gated(t, gate.Config{Origins: []string{"https://app.example"}})
	for _, test := range []struct {
		name         string
		handler      http.Handler
		method, path string
		origin       string
		status       int
		allowed      string
	}{
		{"no page", closed, "GET", "/v1/info", "", 200, ""},
		{"closed", closed, "GET", "/v1/info", "https://app.example", 403, ""},
		{"closed, asked before", closed, "OPTIONS", "/rpc/1001", "https://app.example", 403, ""},
		{"closed, a simple post", closed, "POST", "/v1/namespaces/open/transactions", "https://app.example", 403, ""},
		{"an extension", closed, "GET", "/v1/info", "moz-extension://x", 200, ""},
		{"open", open, "GET", "/v1/info", "https://app.example", 200, "https://app.example"},
		{"open, asked before", open, "OPTIONS", "/rpc/1001", "https://app.example", 204, "https://app.example"},
		{"another", open, "OPTIONS", "/rpc/1001", "https://other.example", 403, ""},
	} {
		w := ask(test.handler, test.method, test.path, "x", "Origin", test.origin)
		if w.Code != test.status || w.Header().Get("Access-Control-Allow-Origin") != test.allowed {
			t.Errorf("%s: %d, %v", test.name, w.Code, w.Header())
		}
		if w.Code == 403 && reasonIn(t, w.Body.Bytes()) != "ORIGIN_FORBIDDEN" {
			t.Errorf("%s: %s", test.name, w.Body)
		}
	}
}

// TestHosts: a web page that has made its own name stand for this node's address gets nothing from it, whatever it asks, unless
// the node wants tokens, which the page has none of.
func TestHosts(t *testing.T) {
	secret := strings.Repeat("s", 32)
	tokens := gated(t, gate.Config{Tokens: []gate.Token{{Name: "swap", Secret: secret}}})
	closed, open := gated(t, gate.Config{}), gated(t, gate.Config{Origins: []string{"http://app.example"}, Hosts: []string{"node0"}})
	rebound := []string{"Host", "evil.example:8080", "Origin", "http://evil.example:8080"} // one origin for the browser
	for _, test := range []struct {
		method, path string
		header       []string
	}{
		{"GET", "/v1/info", nil},
		{"GET", "/", nil},
		{"POST", "/v1/namespaces/open/transactions", nil},
		{"OPTIONS", "/rpc/1001", nil},
		{"GET", "/rpc/1001", []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
		{"POST", "/dunlin.v1.Read/GetInfo", []string{"Content-Type", "text/plain"}},
	} {
		for _, h := range []http.Handler{closed, open} {
			w := ask(h, test.method, test.path, "x", append(test.header, rebound...)...)
			if w.Code != 403 || reasonIn(t, w.Body.Bytes()) != "HOST_FORBIDDEN" || !strings.Contains(w.Body.String(), "evil.example") {
				t.Errorf("%s %s: %d %s", test.method, test.path, w.Code, w.Body)
			}
			if w := ask(h, test.method, test.path, "x", append(test.header, "Host", "evil.example")...); w.Code != 403 {
				t.Errorf("%s %s without an origin: %d %s", test.method, test.path, w.Code, w.Body)
			}
		}
	}
	if w := ask(closed, "POST", "/dunlin.v1.Read/GetInfo", "{}", append([]string{"Content-Type", "application/json"}, rebound...)...); w.Code != 403 || !strings.Contains(w.Body.String(), `"code":"permission_denied"`) {
		t.Errorf("Connect: %d %s", w.Code, w.Body)
	}
	for _, host := range []string{"127.0.0.1:8080", "localhost", "app.example", "node0:8080"} {
		if w := ask(open, "GET", "/v1/info", "", "Host", host); w.Code != 200 {
			t.Errorf("%s: %d %s", host, w.Code, w.Body)
		}
	}
	if w := ask(open, "OPTIONS", "/v1/info", "", "Host", "localhost", "Origin", "http://app.example"); w.Code != 204 {
		t.Errorf("asked before: %d %s", w.Code, w.Body)
	}
	if w := ask(tokens, "GET", "/v1/info", "", "Host", "evil.example", "Authorization", "Bearer "+secret); w.Code != 200 {
		t.Errorf("with a token: %d %s", w.Code, w.Body)
	}
	if w := ask(tokens, "GET", "/v1/info", "", rebound...); w.Code != 401 {
		t.Errorf("without the token: %d %s", w.Code, w.Body)
	}
}

// TestUnauthenticated: with tokens, nothing is answered without one, in each protocol's own words.
func TestUnauthenticated(t *testing.T) {
	secret := strings.Repeat("s", 32)
	h := gated(t, gate.Config{Tokens: []gate.Token{{Name: "swap", Secret: secret, Allowance: gate.Allowance{RequestsPerSecond: 2}}}})
	for _, path := range []string{"/v1/info", "/", "/rpc/1001", "/v1/stream"} {
		if w := ask(h, "GET", path, ""); w.Code != 401 || reasonIn(t, w.Body.Bytes()) != "UNAUTHENTICATED" || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	connectCall := []string{"Content-Type", "application/json", "Connect-Protocol-Version", "1"}
	w := ask(h, "POST", "/dunlin.v1.Read/GetInfo", "{}", connectCall...)
	if w.Code != 401 || !strings.Contains(w.Body.String(), `"code":"unauthenticated"`) || !strings.Contains(w.Body.String(), "dunlin.v1.ErrorInfo") {
		t.Errorf("Connect: %d %s", w.Code, w.Body)
	}
	for i, want := range []int{200, 200, 429} {
		w := ask(h, "GET", "/v1/info", "", "Authorization", "Bearer "+secret)
		if w.Code != want || want == 429 && (w.Header().Get("Retry-After") != "1" || reasonIn(t, w.Body.Bytes()) != "RATE_LIMITED") {
			t.Errorf("request %d: %d %v %s", i, w.Code, w.Header(), w.Body)
		}
	}
	if w := ask(h, "POST", "/dunlin.v1.Read/GetInfo", "{}", append(connectCall, "Authorization", "Bearer "+secret)...); w.Code != 429 || !strings.Contains(w.Body.String(), "resource_exhausted") {
		t.Errorf("Connect beyond the limit: %d %s", w.Code, w.Body)
	}
}

// TestBodiesCount: a client that has sent too many bytes waits, also if it did not say beforehand how many come.
func TestBodiesCount(t *testing.T) {
	g, err := gate.New(gate.Config{Tokens: []gate.Token{{Name: "a", Secret: strings.Repeat("a", 32), Allowance: gate.Allowance{KiBPerSecond: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	config := apitest.New(t).Config()
	config.Gate = g
	url, _ := apitest.Start(t, rollupapi.New(config))
	for _, want := range []int{202, 429} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", 64<<10))) // of a length that is not known
		request, _ := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/namespaces/open/transactions?wait=none", body)
		request.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 32))
		response, err := web(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want || want == 429 && response.Header.Get("Retry-After") < "6" {
			t.Errorf("%d %v, want %d", response.StatusCode, response.Header, want)
		}
	}
}

// TestStreamShare: one client cannot take all of the streams.
func TestStreamShare(t *testing.T) {
	c := apitest.New(t)
	g, err := gate.New(gate.Config{Tokens: []gate.Token{{Name: "a", Secret: strings.Repeat("a", 32)}, {Name: "b", Secret: strings.Repeat("b", 32)}}})
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	config.Gate, config.Streams = g, 8
	url, _ := apitest.Start(t, rollupapi.New(config))
	open := func(token string) (int, string) {
		request, _ := http.NewRequestWithContext(t.Context(), "GET", url+"/v1/stream", nil)
		request.Header.Set("Authorization", "Bearer "+strings.Repeat(token, 32))
		response, err := web(t).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		if response.StatusCode == 200 {
			return 200, ""
		}
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, reasonIn(t, body)
	}
	for _, test := range []struct {
		token  string
		status int
	}{{"a", 200}, {"a", 200}, {"a", 429}, {"b", 200}} {
		if status, reason := open(test.token); status != test.status {
			t.Errorf("%s: %d %s, want %d", test.token, status, reason, test.status)
		}
	}
}

// TestTLS: with a certificate the port speaks TLS, HTTP/2 among it, and nothing else.
func TestTLS(t *testing.T) {
	c := apitest.New(t)
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	defer pair.Close()
	config := c.Config()
	config.TLS = &tls.Config{Certificates: pair.TLS.Certificates}
	url, _ := apitest.Start(t, rollupapi.New(config))
	transport := pair.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	secure := strings.Replace(url, "http://", "https://", 1)
	response, err := client.Get(secure + "/v1/info")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 || response.ProtoMajor != 2 {
		t.Errorf("status %d by %s", response.StatusCode, response.Proto)
	}
	if _, err := dunlinv1connect.NewReadClient(client, secure).GetInfo(t.Context(), &pb.GetInfoRequest{}); err != nil {
		t.Error(err)
	}
	plain, err := web(t).Get(url + "/v1/info")
	if err == nil {
		plain.Body.Close()
		if plain.StatusCode == 200 {
			t.Error("the port answers in clear text")
		}
	}
}
