package reveal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

func testRecord() *Record {
	return &Record{
		Commit: dag.CommitRef{Index: 5, Digest: crypto.Digest{1}}, Key: 9,
		Outcomes: []Outcome{{1, Opened, seal.Opening{7}}, {4, KeyStale, seal.Opening{}}, {6, ContentInvalid, seal.Opening{8}}},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range []*Record{testRecord(), {Commit: dag.CommitRef{Index: 1}}} {
		again, err := DecodeRecord(r.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	raw := testRecord().Encode()
	for name, b := range map[string][]byte{
		"empty":        nil,
		"cut":          raw[:len(raw)-1],
		"longer":       append(bytes.Clone(raw), 0),
		"verdict 0":    with(raw, recordFixed+4, 0),
		"verdict 6":    with(raw, recordFixed+4, byte(ContentInvalid)+1),
		"out of order": with(raw, recordFixed+3, 4),
		"count":        with(raw, recordFixed-1, 200),
		"huge count":   with(raw, recordFixed-4, 0xff),
	} {
		if _, err := DecodeRecord(b); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: error %v, want ErrRecord", name, err)
		}
	}
}

func with(b []byte, at int, v byte) []byte {
	out := bytes.Clone(b)
	out[at] = v
	return out
}

func TestFind(t *testing.T) {
	r := testRecord()
	for index, want := range map[uint32]Verdict{0: 0, 1: Opened, 2: 0, 4: KeyStale, 5: 0, 6: ContentInvalid, 7: 0} {
		got, ok := r.Find(index)
		if got.Verdict != want || ok != (want != 0) {
			t.Errorf("item %d: %v, %v, want %v", index, got.Verdict, ok, want)
		}
	}
}

func TestVerdictNames(t *testing.T) {
	for v, want := range map[Verdict]string{
		Opened: "OPENED", CiphertextInvalid: "CIPHERTEXT_INVALID", KeyStale: "KEY_STALE",
		DecryptFailed: "DECRYPT_FAILED", ContentInvalid: "CONTENT_INVALID", 77: "Verdict(77)",
	} {
		if v.String() != want {
			t.Errorf("%d is %s, want %s", v, v, want)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(testRecord().Encode())
	f.Add((&Record{}).Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := DecodeRecord(raw)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(r.Encode(), raw) {
			t.Fatal("another encoding of one record")
		}
		for i := range r.Outcomes {
			if o, ok := r.Find(r.Outcomes[i].Index); !ok || o != r.Outcomes[i] {
				t.Fatalf("outcome %d is not found", i)
			}
		}
	})
}
