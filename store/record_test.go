package store

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

func TestRecordRoundTrip(t *testing.T) {
	b := newNetwork(t).layer(2, 100)[1]
	raw, crc := appendBlockRecord(nil, 5, 9, b)
	r, err := decodeRecord(raw, 5)
	check(t, err)
	if r.ref() != b.Ref() || !bytes.Equal(r.block(), b.Bytes()) || r.synced != 9 || r.crc != crc || r.size() != len(raw) {
		t.Fatalf("record %+v is not what was written", r)
	}
	if _, err := decodeRecord(raw, 6); !errors.Is(err, errRecordBad) {
		t.Fatalf("under another segment's seed: %v, want %v", err, errRecordBad)
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if _, err := decodeRecord(bad, 5); !errors.Is(err, errRecordBad) {
			t.Fatalf("byte %d flipped: %v, want %v", i, err, errRecordBad)
		}
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	h := header{network: [32]byte{1}, author: 3, sequence: 4, origin: originMissing, ownRound: 5, previousEnd: 6, chain: [32]byte{7}}
	raw := h.encode()
	if got, err := decodeHeader(raw); err != nil || got != h {
		t.Fatalf("decoded %+v, %v; want %+v", got, err, h)
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		if _, err := decodeHeader(bad); err == nil {
			t.Fatalf("byte %d flipped: accepted", i)
		}
	}
}

func TestSealedValue(t *testing.T) {
	sealed := appendSealed([]byte("before"), []byte("some"), []byte("thing"))[6:]
	if got, err := openValue(sealed); err != nil || string(got) != "something" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := openValue(bad); err == nil {
			t.Fatalf("byte %d flipped: accepted", i)
		}
	}
	if _, err := openValue(sealed[:3]); err == nil {
		t.Fatal("three bytes: accepted")
	}
}

func FuzzRecords(f *testing.F) {
	w := newNetwork(f)
	var log []byte
	for _, b := range w.layer(1, 10) {
		log, _ = appendBlockRecord(log, 1, uint32(len(log)), b)
	}
	f.Add(log)
	f.Add(log[:len(log)-1])
	f.Add([]byte{})
	f.Add(make([]byte, recordHeader))
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		end, err := scanRecords(data, 0, 1, func(r record) error {
			if len(r.payload) <= dag.RefSize || len(r.payload) > maxRecord {
				t.Fatalf("payload of %d bytes", len(r.payload))
			}
			again = append(again, data[len(again):len(again)+r.size()]...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if end.end != len(again) || end.end+end.torn > len(data) {
			t.Fatalf("records of %d bytes end at %d, %d torn of %d", len(again), end.end, end.torn, len(data))
		}
	})
}

func FuzzHeader(f *testing.F) {
	h := header{author: 4, sequence: 1, origin: originFresh}
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := decodeHeader(data)
		if err == nil && !bytes.Equal(h.encode(), data[:segmentHeader]) {
			t.Fatalf("%+v has two encodings", h)
		}
	})
}
