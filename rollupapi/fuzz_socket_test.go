package rollupapi_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// complaints counts what the HTTP server complains of: a handler that panics, above all.
type complaints struct{ atomic.Int64 }

// Write counts one line. It never fails.
func (c *complaints) Write(line []byte) (int, error) {
	c.Add(1)
	return len(line), nil
}

// textFrame is a WebSocket's text message in one frame, masked with zeros.
func textFrame(message []byte) []byte {
	head := []byte{0x80 | websocket.TextMessage, 0x80 | 127}
	head = binary.BigEndian.AppendUint64(head, uint64(len(message)))
	return append(append(head, 0, 0, 0, 0), message...)
}

// FuzzSocket: no bytes sent over an open WebSocket, as they are or as a text message, panic, and every answer is JSON-RPC.
func FuzzSocket(f *testing.F) {
	var complained complaints
	server := httptest.NewUnstartedServer(port(f))
	server.Config.ErrorLog = log.New(&complained, "", 0)
	server.Start()
	f.Cleanup(server.Close)
	for _, method := range []string{
		`"dunlin_subscribe","params":[{"cursor":"genesis","content":"items","min_state":"revealed"}]`, `"dunlin_subscribe","params":[]`,
		`"dunlin_unsubscribe","params":["1"]`, `"dunlin_encryptionKey","params":[]`, `"eth_chainId","params":[]`,
	} {
		message := []byte(`{"jsonrpc":"2.0","id":1,"method":` + method + `}`)
		f.Add(false, message)
		f.Add(true, textFrame(message))
	}
	f.Add(true, []byte{0x80 | websocket.CloseMessage, 0x80, 0, 0, 0, 0})
	f.Add(true, []byte{websocket.TextMessage, 0x81, 0, 0, 0, 0, '[', 0x80, 0x81, 0, 0, 0, 0, ']'})
	f.Fuzz(func(t *testing.T, asTheyAre bool, raw []byte) {
		if !asTheyAre {
			raw = textFrame(raw)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Skip(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		in := open(t, conn)
		_, _ = conn.Write(raw) // an error is for what the server does not take any more, which it has answered
		_ = conn.(*net.TCPConn).CloseWrite()
		answers(t, in)
		if n := complained.Load(); n != 0 {
			t.Fatalf("the server complained %d times", n)
		}
	})
}

// open makes a WebSocket of a connection. The server takes no frame before it has answered.
func open(t *testing.T, conn net.Conn) *bufio.Reader {
	t.Helper()
	const hello = "GET /rpc/open HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := conn.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no WebSocket: %v, %v", response, err)
	}
	return in
}

// answers reads what the server says until it ends the connection.
func answers(t *testing.T, in *bufio.Reader) {
	t.Helper()
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		size := uint64(head[1])
		extended := map[byte]int{126: 2, 127: 8}[head[1]]
		if long := make([]byte, 8); extended > 0 {
			if _, err := io.ReadFull(in, long[8-extended:]); err != nil {
				return
			}
			size = binary.BigEndian.Uint64(long)
		}
		message, err := io.ReadAll(io.LimitReader(in, int64(size)))
		if err != nil || uint64(len(message)) < size {
			return
		}
		if head[0] == 0x80|websocket.TextMessage && !json.Valid(message) || strings.Contains(string(message), `"INTERNAL"`) {
			t.Fatalf("%q is no answer", message)
		}
	}
}
