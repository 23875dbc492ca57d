package rollupapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// sealedChain is the deals, one commit with an open item, one with open, good and bad sealed items, and
// one with an open item again. Nothing that was sealed is revealed.
func sealedChain(t testing.TB) *apitest.Chain {
	t.Helper()
	c := apitest.New(t)
	c.OpenSealing(t)
	old := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("old key")})
	c.OpenSealing(t)
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "before")})
	bundle := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("one")}, dag.Leg{Namespace: apitest.Quiet, Payload: []byte("two")})
	copied := bundle.Sealed()
	copied.ValidUntil--
	lying := dag.Sealed{ValidUntil: dag.ValidityWindow, Namespaces: []dag.Namespace{apitest.Open}}
	content, err := dag.EncodeContent([]dag.Leg{{Namespace: apitest.Quiet, Payload: []byte("elsewhere")}})
	if err != nil {
		t.Fatal(err)
	}
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Quiet, "beside"), bundle, old}, []dag.Item{
		c.Envelope(t, copied), c.Seal(t, lying, content), c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("three")}),
	})
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "after")})
	return c
}

// told is an item in one line.
func told(item *pb.Item) string {
	line := fmt.Sprintf("%d/%d %v %v", item.GetCommit(), item.GetIndex(), item.GetKind(), item.GetVerdict())
	line = strings.NewReplacer("KIND_", "", "VERDICT_", "").Replace(line) + fmt.Sprintf(" %q", item.GetPayload())
	for _, leg := range item.GetLegs() {
		line += fmt.Sprintf(" %d:%q", leg.GetNamespace(), leg.GetPayload())
	}
	if len(item.GetOpening()) > 0 {
		line += " opening"
	}
	return line
}

var revealedWhole = []string{
	`3/0 TRANSACTION UNSPECIFIED "before"`,
	`4/0 TRANSACTION UNSPECIFIED "beside"`,
	`4/1 SEALED OPENED "" 1003:"one" 1005:"two" opening`,
	`4/2 SEALED KEY_STALE ""`,
	`4/3 SEALED CIPHERTEXT_INVALID ""`,
	`4/4 SEALED CONTENT_INVALID "" opening`,
	`4/5 SEALED OPENED "" 1003:"three" opening`,
	`5/0 TRANSACTION UNSPECIFIED "after"`,
}

// TestReadStates: at COMMITTED everything is there at once, as ciphertexts; at REVEALED nothing is from the
// first commit on that is not opened; then all is, failures keeping their places. The cursors are the same.
func TestReadStates(t *testing.T) {
	c := sealedChain(t)
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(web(t), url)
	page := func(r *pb.RangeRequest) *pb.RangeResponse {
		t.Helper()
		answer, err := read.Range(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	lines := func(items []*pb.Item) (lines, cursors []string) {
		for _, item := range items {
			lines, cursors = append(lines, told(item)), append(cursors, item.GetCursor())
		}
		return lines, cursors
	}
	committed := page(&pb.RangeRequest{MinState: pb.MinState_MIN_STATE_COMMITTED})
	envelopes, places := lines(committed.GetItems())
	for i, line := range envelopes {
		if item := committed.GetItems()[i]; item.GetKind() == pb.Kind_KIND_SEALED && (!strings.HasSuffix(line, ` SEALED UNSPECIFIED ""`) || len(item.GetCiphertext()) == 0) {
			t.Errorf("committed: %s with ciphertext of %d bytes", line, len(item.GetCiphertext()))
		}
	}
	early := page(&pb.RangeRequest{})
	if got, _ := lines(early.GetItems()); cmp.Diff(revealedWhole[:1], got) != "" || early.GetMore() || early.GetWatermarks().GetRevealed() != 3 || early.GetWatermarks().GetCommitted() != 5 {
		t.Errorf("before the reveal: %q, %v", got, early.GetWatermarks())
	}
	middle := &pb.RangeRequest{Cursor: places[2]} // within what is not revealed
	if wait := page(middle); len(wait.GetItems()) != 0 || wait.GetNextCursor() != places[2] || wait.GetMore() {
		t.Errorf("from the middle: %v", wait)
	}
	c.RevealNext(t)
	for from, cursor := range map[int]string{0: "genesis", 1: early.GetNextCursor(), 3: places[2]} {
		whole := page(&pb.RangeRequest{Cursor: cursor})
		got, cursors := lines(whole.GetItems())
		if diff := cmp.Diff(revealedWhole[from:], got); diff != "" {
			t.Errorf("from %s:\n%s", cursor, diff)
		}
		if diff := cmp.Diff(places[from:], cursors); diff != "" || whole.GetNextCursor() != committed.GetNextCursor() {
			t.Errorf("other cursors than at COMMITTED:\n%s", diff)
		}
		if w := whole.GetWatermarks(); w.GetRevealed() != 5 {
			t.Errorf("watermarks %v", w)
		}
	}
	if again, _ := lines(page(&pb.RangeRequest{MinState: pb.MinState_MIN_STATE_COMMITTED}).GetItems()); cmp.Diff(envelopes, again) != "" {
		t.Errorf("the committed order reads differently after the reveal: %q", again)
	}
	quiet, _ := lines(page(&pb.RangeRequest{Namespaces: []uint64{uint64(apitest.Quiet)}}).GetItems())
	if diff := cmp.Diff([]string{revealedWhole[1], revealedWhole[2], revealedWhole[4]}, quiet); diff != "" {
		t.Errorf("of one namespace:\n%s", diff)
	}
	if _, err := read.Range(t.Context(), &pb.RangeRequest{MinState: 9}); infoOf(t, err).GetReason() != "REQUEST_MALFORMED" {
		t.Errorf("min_state 9: %v", err)
	}
}

// TestStreamStates: a stream of whole items waits for reveals unless asked not to; one of ids does not wait
// unless asked to.
func TestStreamStates(t *testing.T) {
	for _, test := range []struct {
		name  string
		ask   *pb.StreamRequest
		waits bool
	}{
		{"items", &pb.StreamRequest{}, true},
		{"items at committed", &pb.StreamRequest{MinState: pb.MinState_MIN_STATE_COMMITTED}, false},
		{"ids", &pb.StreamRequest{Content: pb.Content_CONTENT_IDS}, false},
		{"ids at revealed", &pb.StreamRequest{Content: pb.Content_CONTENT_IDS, MinState: pb.MinState_MIN_STATE_REVEALED}, true},
		{"a namespace", &pb.StreamRequest{Namespaces: []uint64{1003, 1005}}, true},
		{"commits at revealed", &pb.StreamRequest{Content: pb.Content_CONTENT_COMMITS, MinState: pb.MinState_MIN_STATE_REVEALED}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := sealedChain(t)
			url, _ := c.Serve(t)
			test.ask.Cursor, test.ask.HeartbeatMs = "genesis", 100
			stream, err := dunlinv1connect.NewReadClient(web(t), url).Stream(t.Context(), test.ask)
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			next := func() *pb.StreamResponse {
				if !stream.Receive() {
					t.Fatal(stream.Err())
				}
				return stream.Msg()
			}
			next() // the first watermark
			var items []string
			revealed := !test.waits
			for commits := 0; commits < 5; {
				m := next()
				for _, item := range m.GetItems().GetItems() {
					items = append(items, told(item))
				}
				if header := m.GetCommit(); header != nil {
					if commits = int(header.GetIndex()); !revealed && commits > 3 {
						t.Fatalf("commit %d comes before it is revealed", commits)
					}
				}
				if m.GetWatermark() != nil && !revealed {
					if waits := c.Waits(); waits > 20 {
						t.Errorf("%d waits before the first heartbeat: the stream does not sleep", waits)
					}
					if m.GetWatermarks().GetRevealed() != 3 {
						t.Fatalf("%v", m.GetWatermarks())
					}
					revealed = true
					c.RevealNext(t)
				}
			}
			want := 8
			if test.ask.GetContent() == pb.Content_CONTENT_COMMITS {
				want = 0
			}
			if len(items) != want {
				t.Errorf("%d items, want %d", len(items), want)
			}
			for i, line := range items {
				if wantIt := revealedWhole[i]; test.waits && test.ask.GetContent() == 0 && line != wantIt {
					t.Errorf("%s, want %s", line, wantIt)
				} else if begin := strings.SplitN(wantIt, " ", 4)[:3]; test.waits && !strings.HasPrefix(line, strings.Join(begin, " ")) {
					t.Errorf("%s, want it to begin with %v", line, begin)
				} else if !test.waits && strings.Contains(line, "OPENED") {
					t.Errorf("%s tells a verdict", line)
				}
			}
		})
	}
}

// TestStreamTipUnrevealed: tip is behind what is committed, so that a reader of reveals misses nothing that
// is committed later, and gets nothing that was before.
func TestStreamTipUnrevealed(t *testing.T) {
	c := sealedChain(t)
	url, _ := c.Serve(t)
	next := sse(t, url+"/v1/stream?namespace=all&heartbeat_ms=100", "")
	next()
	c.Commit(t, []dag.Item{c.OpenItem(t, apitest.Open, "newest")})
	c.RevealAll(t)
	for e := next(); ; e = next() {
		if e.name == "item" {
			if !strings.Contains(e.data, `"commit":6,"index":0`) {
				t.Errorf("%v", e)
			}
			return
		}
	}
}

// TestRevealInJSON: what SSE and REST say of sealed items.
func TestRevealInJSON(t *testing.T) {
	c := sealedChain(t)
	url, _ := c.Serve(t)
	c.RevealAll(t)
	_, whole := get(t, url+"/v1/namespaces/open/transactions")
	_, envelopes := get(t, url+"/v1/namespaces/open/transactions?min_state=committed")
	next := sse(t, url+"/v1/stream?namespace=all&cursor=genesis", "")
	var streamed []string
	for e := next(); len(streamed) < 8; e = next() {
		if e.name == "item" {
			streamed = append(streamed, e.data)
		}
	}
	for name, text := range map[string]string{"range": string(whole), "stream": strings.Join(streamed, "\n")} {
		for _, want := range []string{
			`"kind":"SEALED"`, `"legs":[{"namespace":1003,"payload":"0x6f6e65"},{"namespace":1005,"payload":"0x74776f"}]`,
			`"namespaces":[1003,1005],"ciphertext":"0x01`, `"verdict":"OPENED","opening":"0x`, `"verdict":"KEY_STALE"}`, `"verdict":"CONTENT_INVALID","opening":"0x`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s without %s:\n%s", name, want, text)
			}
		}
	}
	if text := string(envelopes); strings.Contains(text, "verdict") || strings.Contains(text, "legs") || !strings.Contains(text, `"revealed":5`) {
		t.Errorf("at committed: %s", text)
	}
	for _, path := range []string{"/v1/stream?min_state=sealed", "/v1/namespaces/open/transactions?min_state=1"} {
		if status, body := get(t, url+path); status != 400 || reasonIn(t, body) != "REQUEST_MALFORMED" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestRangeOpensBounded: one Range opens so many ciphertexts and no more, and the next goes on.
func TestRangeOpensBounded(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	for i := 0; i <= rollupapi.MaxRangeOpened; {
		var block []dag.Item
		for ; i <= rollupapi.MaxRangeOpened && len(block) < dag.MaxSealedItems(c.Committee.Size()); i++ {
			block = append(block, c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: fmt.Append(nil, i)}))
		}
		c.Commit(t, block)
	}
	c.RevealAll(t)
	url, _ := c.Serve(t)
	read := dunlinv1connect.NewReadClient(web(t), url)
	first, err := read.Range(t.Context(), &pb.RangeRequest{})
	if err != nil || len(first.GetItems()) != rollupapi.MaxRangeOpened || !first.GetMore() {
		t.Fatalf("%d items, more %t, %v", len(first.GetItems()), first.GetMore(), err)
	}
	rest, err := read.Range(t.Context(), &pb.RangeRequest{Cursor: first.GetNextCursor()})
	if err != nil || len(rest.GetItems()) != 1 || rest.GetMore() || rest.GetItems()[0].GetVerdict() != pb.Verdict_VERDICT_OPENED {
		t.Errorf("%v, %v", rest, err)
	}
}

// TestRevealLost: a node that says that a commit is revealed and does not know how is in trouble, and does
// not make an answer up.
func TestRevealLost(t *testing.T) {
	for name, spoil := range map[string]func(*reveal.Record){
		"outcome missing": func(r *reveal.Record) { r.Outcomes = r.Outcomes[1:] },
		"wrong opening":   func(r *reveal.Record) { r.Outcomes[0].Opening[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := sealedChain(t)
			url, _ := c.Serve(t)
			spoil(c.RevealNext(t))
			if status, body := get(t, url+"/v1/namespaces/all/transactions"); status != 500 || reasonIn(t, body) != "INTERNAL" {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}
