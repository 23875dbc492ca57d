package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// curl runs curl, which the API must work with, and returns what it printed.
func curl(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "curl", append([]string{"--silent", "--show-error"}, args...)...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return out
}

// needCurl skips a test on machines without curl.
func needCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
}

// curlJSON is curl with an answer in JSON.
func curlJSON[T any](t *testing.T, args ...string) T {
	t.Helper()
	out := curl(t, args...)
	var answer T
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("curl %s answers %q: %v", strings.Join(args, " "), out, err)
	}
	return answer
}

// sse is one server-sent event.
type sse struct {
	event, id, data string
}

// curlStream runs curl -N on a stream until done says so, and returns the events up to then.
func curlStream(t *testing.T, done func(sse) bool, args ...string) []sse {
	t.Helper()
	events, err := follow(t.Context(), done, args...)
	if err != nil {
		t.Fatalf("curl -N %s: %v after %d events: %v", strings.Join(args, " "), err, len(events), events)
	}
	return events
}

// follow is curlStream for other goroutines than the test's.
func follow(ctx context.Context, done func(sse) bool, args ...string) ([]sse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append([]string{"--no-buffer", "--silent", "--show-error", "--fail-with-body"}, args...)...)
	cmd.SysProcAttr = childAttributes()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var events []sse
	err = errors.New("the stream ended")
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	var now sse
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			now.event = value
		case "id":
			now.id = value
		case "data":
			now.data = value
		case "":
			events = append(events, now)
			if done(now) {
				err = nil
			}
			now = sse{}
		}
		if err == nil {
			break
		}
	}
	cancel()
	_ = cmd.Wait() // it was killed
	return events, err
}

// item is what the JSON forms say of one position of the order.
type item struct {
	Commit    uint64 `json:"commit"`
	Index     uint32 `json:"index"`
	TxID      string `json:"tx_id"`
	Namespace uint64 `json:"namespace"`
	Payload   string `json:"payload"` // 0x-hex
}

func itemOf(t *testing.T, e sse) item {
	t.Helper()
	var i item
	if err := json.Unmarshal([]byte(e.data), &i); err != nil {
		t.Fatalf("item event %q: %v", e.data, err)
	}
	return i
}

// rpcAnswer is an answer to a JSON-RPC request.
type rpcAnswer struct {
	Result string `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    struct {
			Reason string `json:"reason"`
		} `json:"data"`
	} `json:"error"`
}

func rpc(t *testing.T, api string, namespace uint64, method string, params ...string) rpcAnswer {
	t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, raw)
	return curlJSON[rpcAnswer](t, "--header", "Content-Type: application/json", "--data", body, fmt.Sprintf("%s/rpc/%d", api, namespace))
}
