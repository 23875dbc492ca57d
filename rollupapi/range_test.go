package rollupapi_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// TestRangePages: pages of every size put together are the whole, whatever the scope.
func TestRangePages(t *testing.T) {
	c := apitest.New(t)
	growChain(t, c)
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(web(t), url)
	page := func(r *pb.RangeRequest) *pb.RangeResponse {
		answer, err := read.Range(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for _, sc := range scopes {
		whole := page(&pb.RangeRequest{Namespaces: sc.namespaces})
		if whole.GetMore() || len(whole.GetItems()) == 0 {
			t.Fatalf("%s: %d items, more %t", sc.query, len(whole.GetItems()), whole.GetMore())
		}
		for size := 1; size <= len(whole.GetItems())+1; size++ {
			for _, limit := range []*pb.RangeRequest{{MaxItems: uint32(size)}, {MaxBytes: uint32(size * 20)}} {
				limit.Namespaces = sc.namespaces
				var got []string
				for more := true; more; {
					answer := page(limit)
					for _, item := range answer.GetItems() {
						got = append(got, item.GetCursor())
					}
					if len(answer.GetItems()) == 0 && answer.GetMore() {
						t.Fatalf("%s: no progress at %s", sc.query, limit.GetCursor())
					}
					limit.Cursor, more = answer.GetNextCursor(), answer.GetMore()
				}
				var want []string
				for _, item := range whole.GetItems() {
					want = append(want, item.GetCursor())
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s in pages of %v:\n%s", sc.query, limit, diff)
				}
				if limit.GetCursor() != whole.GetNextCursor() {
					t.Errorf("%s: pages end at %s, the whole at %s", sc.query, limit.GetCursor(), whole.GetNextCursor())
				}
			}
		}
	}
}

// TestLongHistory: namespaces with more commits than are looked up at a time, in different
// places, come in order and whole; and a range over many commits comes in several.
func TestLongHistory(t *testing.T) {
	c := apitest.New(t)
	var want []string
	commits := 2*rollupapi.NamespaceLook + 2*rollupapi.MaxRangeCommits
	for i := range commits {
		var items []dag.Item
		if i < rollupapi.NamespaceLook+10 || i%97 == 0 {
			items = append(items, c.OpenItem(t, apitest.Open, fmt.Sprint("open ", i)))
		}
		if i%2 == 1 {
			items = append(items, c.OpenItem(t, apitest.Quiet, fmt.Sprint("quiet ", i)))
		}
		for _, item := range items {
			want = append(want, item.ID.String())
		}
		c.Commit(t, items)
	}
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(web(t), url)
	for _, namespaces := range [][]uint64{nil, {1003, 1005}} {
		var got []string
		calls := 0
		for cursor, more := "genesis", true; more; calls++ {
			answer, err := read.Range(t.Context(), &pb.RangeRequest{Namespaces: namespaces, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range answer.GetItems() {
				got = append(got, fmt.Sprintf("%x", item.GetTxId()))
			}
			cursor, more = answer.GetNextCursor(), answer.GetMore()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("namespaces %v:\n%s", namespaces, diff)
		}
		if calls < 2 {
			t.Errorf("%d commits in one call, limit %d", commits, rollupapi.MaxRangeCommits)
		}
	}
}
