package rollupapi_test

import (
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// manyDeals is a key of many deals.
type manyDeals struct {
	rollupapi.Sealing
	origins []keygen.Origin
}

// SealingOrigins is all of them.
func (m manyDeals) SealingOrigins(uint64) ([]keygen.Origin, error) { return m.origins, nil }

// oneBlock is an order in which one block brings in all deals.
type oneBlock struct {
	rollupapi.History
	body *dag.Verified
}

// DealBlock is the block.
func (o oneBlock) DealBlock(d *ordering.Deal) ([]byte, bool, error) {
	return o.body.Bytes(), d.In(o.body.Block()), nil
}

// TestOriginBound: an answer shows so much of a key's origin as it may hold, and the next one goes on.
func TestOriginBound(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	config := c.Config()
	origins, err := c.SealingOrigins(1)
	if err != nil {
		t.Fatal(err)
	}
	items := make([]dag.Item, 3)
	for i := range items {
		items[i] = c.OpenItem(t, apitest.Open, strings.Repeat("x", 128<<10-i))
	}
	body := c.Signed(t, dag.Block{Items: items, System: []dag.SystemMessage{{Kind: keygen.KindDeal, Payload: origins[0].Deal}}})
	many := manyDeals{Sealing: config.Sealing}
	fit := rollupapi.MaxOriginBytes / (len(body.Bytes()) + len(origins[0].Deal))
	for range fit + 3 {
		many.origins = append(many.origins, origins[0])
	}
	config.Sealing, config.History = many, oneBlock{config.History, body}
	url, _ := apitest.Start(t, rollupapi.New(config))
	ask := func(r *pb.GetEncryptionKeyRequest) *pb.GetEncryptionKeyResponse {
		t.Helper()
		answer, err := dunlinv1connect.NewIngressClient(web(t), url).GetEncryptionKey(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for _, test := range []struct {
		from, maxBytes uint32
		want           int
		more           bool
	}{
		{0, 0, fit, true},
		{uint32(fit), 0, 3, false},
		{uint32(fit), 1, 1, true},
		{uint32(fit) + 2, 1, 1, false},
		{uint32(fit) + 3, 0, 0, false},
		{1 << 31, 0, 0, false},
		{0, 1 << 31, fit, true},
	} {
		answer := ask(&pb.GetEncryptionKeyRequest{WithDeals: true, WithBlocks: true, FromOrigin: test.from, MaxBytes: test.maxBytes})
		shown := answer.GetKey().GetOrigins()
		if len(shown) != test.want || answer.GetMore() != test.more {
			t.Errorf("%+v: %d origins, more %v", test, len(shown), answer.GetMore())
		}
		for _, o := range shown {
			if len(o.GetBlock()) == 0 || len(o.GetDeal()) == 0 {
				t.Errorf("%+v: block of %d bytes, deal of %d", test, len(o.GetBlock()), len(o.GetDeal()))
			}
		}
	}
	if n := len(ask(&pb.GetEncryptionKeyRequest{}).GetKey().GetOrigins()); n != fit+3 {
		t.Errorf("%d origins without deals and blocks, want all %d", n, fit+3)
	}
	many.origins[0].Deal = []byte("never dealt")
	if o := ask(&pb.GetEncryptionKeyRequest{WithBlocks: true}).GetKey().GetOrigins()[0]; len(o.GetBlock()) > 0 {
		t.Error("a deal that is in no block is shown with one")
	}
}
