package rollupapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// fuzzServer is a server that can parse but serves nothing.
func fuzzServer(f *testing.F) *Server {
	f.Helper()
	registry, err := dag.NewRegistry([]dag.NamespaceRule{{ID: 1003, Name: "open", Scheme: dag.SchemeOpen}})
	if err != nil {
		f.Fatal(err)
	}
	committee, err := dag.NewCommittee(testNetwork, 1, []dag.Validator{{Identity: crypto.PublicKey{1}}})
	if err != nil {
		f.Fatal(err)
	}
	s := New(Config{Committee: committee, Registry: registry, Admission: NewAdmission(AdmissionConfig{Network: testNetwork, Registry: registry, Workers: 1}), Logger: slog.New(slog.DiscardHandler)})
	f.Cleanup(s.stop)
	return s
}

// FuzzSubmitJSON: no body panics; what is not refused has payloads for a registered namespace.
func FuzzSubmitJSON(f *testing.F) {
	s := fuzzServer(f)
	f.Add([]byte(`{"namespace":1003,"payload":"0x00","wait":"none","timeout_ms":5}`))
	f.Add([]byte(`{"namespace":"open","payloads":["0x00","0x01"],"sender":"0x","signatures":["0x"],"valid_until_commit":7}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		sub, asked, err := s.parseSubmit(raw)
		var refused *Refusal
		switch {
		case err == nil && (sub.Namespace != 1003 || asked.wait.timeout <= 0 || asked.wait.timeout > longestWait || asked.wait.state == 0):
			t.Fatalf("%+v, %+v", sub, asked)
		case err != nil && !errors.As(err, &refused):
			t.Fatalf("%v is no refusal", err)
		}
	})
}

// FuzzSubmitSealedJSON: no body panics; what is not refused names registered namespaces, few enough.
func FuzzSubmitSealedJSON(f *testing.F) {
	s := fuzzServer(f)
	f.Add([]byte(`{"items":[{"namespaces":[1003],"ciphertext":"0x01","valid_until_commit":7}],"wait":"revealed","timeout_ms":5}`))
	f.Add([]byte(`{"items":[{"namespaces":["open","open"],"ciphertext":"0x","sender":"0x","signature":"0x"},{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		items, asked, err := s.parseSubmitSealed(raw)
		var refused *Refusal
		switch {
		case err != nil && !errors.As(err, &refused):
			t.Fatalf("%v is no refusal", err)
		case err == nil && (asked.wait.timeout <= 0 || asked.wait.timeout > longestWait || asked.wait.state == 0):
			t.Fatalf("%+v", asked)
		case err != nil:
			return
		}
		for i := range items {
			for _, ns := range items[i].Namespaces {
				if ns != 1003 || len(items[i].Namespaces) > dag.MaxBundleNamespaces {
					t.Fatalf("%+v", items[i])
				}
			}
		}
	})
}

// FuzzRPC: no body panics; what is read is within the batch limit, or is refused with a code.
func FuzzRPC(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":"a","method":"x"},5]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		requests, batch, refused := parseRPC(raw)
		switch {
		case refused != nil && (refused.Code >= 0 || len(requests) != 0):
			t.Fatalf("%+v with %d requests", refused, len(requests))
		case refused == nil && (len(requests) == 0 || len(requests) > maxRPCBatch || !batch && len(requests) != 1):
			t.Fatalf("%d requests, batch %t", len(requests), batch)
		}
		for i := range requests {
			if _, err := json.Marshal(rpcResponse{ID: requests[i].ID, Result: 1}); requests[i].ID != nil && err != nil {
				t.Fatalf("id %s cannot be answered: %v", requests[i].ID, err)
			}
			_, _ = onlyParam(requests[i].Params)
		}
	})
}

// FuzzEthereum: no payload panics, and what is decoded encodes to the same bytes.
func FuzzEthereum(f *testing.F) {
	f.Add([]byte{0xc0})
	f.Add([]byte{2, 0xc0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := decodeEthereum(raw)
		if err != nil {
			return
		}
		if again, err := tx.MarshalBinary(); err != nil || string(again) != string(raw) {
			t.Fatalf("%x comes back as %x, %v", raw, again, err)
		}
	})
}

// FuzzID: what is read as an id is 32 bytes in hex.
func FuzzID(f *testing.F) {
	f.Add("0xab")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseID(text)
		if err != nil {
			return
		}
		if again, err := parseID("0x" + id.String()); err != nil || again != id {
			t.Fatalf("%q is read as %v, which is read as %v, %v", text, id, again, err)
		}
	})
}
