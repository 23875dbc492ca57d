package chronicle

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/dunlin-network/dunlin/crypto"
)

// decoder reads records and checks the chain over them.
type decoder struct {
	in     *bufio.Reader
	hasher *crypto.Hasher
	chain  crypto.Digest
	read   int64
	buffer []byte
}

func newDecoder(r io.Reader) *decoder {
	return &decoder{in: bufio.NewReaderSize(r, 1<<20), hasher: crypto.NewHasher(domainFile)}
}

func (d *decoder) begin() error {
	start := make([]byte, preamble)
	if err := d.fill(start); err != nil {
		return err
	}
	if string(start[:len(magic)]) != magic {
		return describe("not a file of a history")
	}
	if v := binary.BigEndian.Uint32(start[len(magic):]); v != version {
		return describe("version %d, this program reads version %d", v, version)
	}
	d.chain = d.hasher.Sum(start)
	return nil
}

// next gives the next record, whose payload is valid until the one after; io.EOF behind the last, when
// the digest at the end is right and nothing follows.
func (d *decoder) next() (kind byte, payload []byte, err error) {
	at := d.read
	head := make([]byte, recordHead)
	if err := d.fill(head); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxRecord {
		return 0, nil, describe("record of %d bytes at offset %d, limit %d", size, at, maxRecord)
	}
	if payload, err = d.take(int(size)); err != nil {
		return 0, nil, err
	}
	if head[0] == kindEnd {
		return 0, nil, d.end(payload)
	}
	d.chain = d.hasher.Sum(d.chain[:], head, payload)
	return head[0], payload, nil
}

func (d *decoder) end(payload []byte) error {
	if string(payload) != string(d.chain[:]) {
		return describe("the digest at its end is not that of what it holds: bytes were changed or lost")
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		return describe("bytes behind its end")
	}
	return io.EOF
}

// take reads n bytes, of which no more are set aside than come.
func (d *decoder) take(n int) ([]byte, error) {
	const step = 1 << 20
	d.buffer = d.buffer[:0]
	for len(d.buffer) < n {
		at := len(d.buffer)
		d.buffer = append(d.buffer, make([]byte, min(step, n-at))...)
		if err := d.fill(d.buffer[at:]); err != nil {
			return nil, err
		}
	}
	return d.buffer, nil
}

func (d *decoder) fill(b []byte) error {
	n, err := io.ReadFull(d.in, b)
	d.read += int64(n)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return describe("it ends at offset %d without its end", d.read)
	case err != nil:
		return fmt.Errorf("read history: %w", err)
	}
	return nil
}
