package client_test

import (
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// TestKeysInParts: what proves keys comes in as many answers as it takes, also where one holds no more than one deal, and
// a key is proven with all of them. A node that does not go on, or goes on with something else, proves nothing.
func TestKeysInParts(t *testing.T) {
	chain := certifiedChain(t)
	chain.OpenSealing(t)
	chain.OpenCertificates(t) // a second key
	last := chain.Commit(t).Index
	chain.Certify(t, last)
	whole := 0
	for _, test := range []struct {
		name     string
		maxBytes uint32
		change   func(part int, m *pb.LightUpdateResponse)
		parts    int // at least; 0 for what is refused
	}{
		{"all at once", 0, nil, 1},
		{"a deal at a time", 1, nil, 8},
		{"some at a time", 3000, nil, 2},
		{"a deal left out", 1, func(part int, m *pb.LightUpdateResponse) {
			if part == 2 {
				m.Keys[0].Origins = nil
			}
		}, 0},
		{"the same again", 1, func(part int, m *pb.LightUpdateResponse) { m.More = true }, 0},
		{"another key", 1, func(part int, m *pb.LightUpdateResponse) {
			if part == 2 {
				m.Keys[0].Key[5] ^= 1
			}
		}, 0},
		{"no key", 1, func(part int, m *pb.LightUpdateResponse) {
			if part == 2 {
				m.Keys = nil
			}
		}, 0},
		{"an end too early", 1, func(part int, m *pb.LightUpdateResponse) { m.More = m.GetMore() && part < 2 }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			parts := 0
			url := chain.ServeSmall(t, test.maxBytes, func(m *pb.LightUpdateResponse) {
				if parts++; test.change != nil {
					test.change(parts, m)
				}
			})
			c, err := client.NewFrom(client.Config{Endpoints: []string{url}, Committee: chain.Committee})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			keys, err := c.CertificateKeys(t.Context())
			if test.parts == 0 {
				if !errors.Is(err, client.ErrOrigin) {
					t.Errorf("%d keys in %d parts: %v", len(keys), parts, err)
				}
				return
			}
			if whole == 0 && len(keys) > 0 {
				whole = keys[0].Deals()
			}
			if err != nil || len(keys) != 2 || keys[0].Deals() != whole || keys[1].Deals() != whole || whole < 3 || parts < test.parts {
				t.Errorf("%d keys in %d parts: %v", len(keys), parts, err)
			}
			if _, err := c.EncryptionKey(t.Context()); err != nil {
				t.Errorf("the key to seal with: %v", err)
			}
		})
	}
}
