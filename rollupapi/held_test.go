package rollupapi

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestHeldBodiesAreBounded: bodies count while their requests are being answered, and the one that is
// too much is told so.
func TestHeldBodiesAreBounded(t *testing.T) {
	held := new(atomic.Int64)
	read := func(size int) (*timedBody, error) {
		b := &timedBody{held: held, started: true, control: http.NewResponseController(deadlines{}), ReadCloser: io.NopCloser(bytes.NewReader(make([]byte, size)))}
		_, err := readBody(&http.Request{Body: b}, maxBodyBytes)
		return b, err
	}
	held.Store(maxHeldBytes - 100)
	first, err := read(60)
	if err != nil {
		t.Fatal(err)
	}
	second, err := read(60)
	if r := refusalOf(err); err == nil || r.Reason != ReasonBusy {
		t.Fatalf("a body beyond the limit: %v", err)
	}
	second.release()
	if third, err := read(40); err != nil {
		t.Error(err)
	} else {
		third.release()
	}
	first.release()
	if got := held.Load(); got != maxHeldBytes-100 {
		t.Errorf("%d bytes are held after all is released", got-(maxHeldBytes-100))
	}
}

// deadlines is a response that takes deadlines and nothing else.
type deadlines struct{ http.ResponseWriter }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
