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

// TestOriginBound: blocks are left out of an answer that would grow too large, deals are not.
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
	fit := rollupapi.MaxOriginBytes / len(body.Bytes())
	for range fit + 3 {
		many.origins = append(many.origins, origins[0])
	}
	config.Sealing, config.History = many, oneBlock{config.History, body}
	url, _ := apitest.Start(t, rollupapi.New(config))
	answer, err := dunlinv1connect.NewIngressClient(web(t), url).GetEncryptionKey(t.Context(), &pb.GetEncryptionKeyRequest{WithDeals: true, WithBlocks: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range answer.GetKey().GetOrigins() {
		if (len(o.GetBlock()) > 0) != (i < fit) || len(o.GetDeal()) == 0 {
			t.Errorf("origin %d of %d: block of %d bytes, deal of %d", i, fit+3, len(o.GetBlock()), len(o.GetDeal()))
		}
	}
	many.origins[0].Deal = []byte("never dealt")
	answer, err = dunlinv1connect.NewIngressClient(web(t), url).GetEncryptionKey(t.Context(), &pb.GetEncryptionKeyRequest{WithBlocks: true})
	if err != nil || len(answer.GetKey().GetOrigins()[0].GetBlock()) > 0 {
		t.Errorf("a deal that is in no block: %v", err)
	}
}
