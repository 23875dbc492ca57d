package rollupapi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// TestBells: whoever waits is woken at once; who comes back within the rest waits for its end, and no ring is lost.
func TestBells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		b := newBells(life)
		const readers = 3 * bellGroups
		rest := readers * restPerReader
		moved, quiet := map[dag.Namespace]struct{}{1: {}}, b.join(2)
		asleep := quiet.news()
		var seats []*seat
		for range readers {
			seats = append(seats, b.join(1))
		}
		// woken rings the bell and is how long everybody waits for it then.
		woken := func(rings int, known bool) time.Duration {
			t.Helper()
			var news []<-chan struct{}
			for _, s := range seats {
				news = append(news, s.news())
			}
			begun := time.Now()
			for range rings {
				b.ring(moved, known)
			}
			for _, n := range news {
				<-n
			}
			return time.Since(begun)
		}
		if got := woken(1, true); got != 0 {
			t.Errorf("rested readers waited for %v", got)
		}
		if got := woken(3, true); got != rest {
			t.Errorf("readers that were just woken waited for %v, want %v", got, rest)
		}
		time.Sleep(rest / 4)
		if got := woken(1, true); got != rest-rest/4 {
			t.Errorf("readers waited for %v, want what was left of their rest, %v", got, rest-rest/4)
		}
		time.Sleep(rest)
		select {
		case <-asleep:
			t.Error("a reader was woken by another namespace")
		default:
		}
		if got := woken(1, false); got != 0 {
			t.Errorf("rested readers waited for %v", got)
		}
		<-asleep // by a commit of which is not known whose it is
		b.ring(moved, true)
		end() // within the rest
		b.waking.Wait()
		for _, s := range append(seats, quiet) {
			s.leave()
		}
		if len(b.each) != 0 {
			t.Errorf("%d bells are kept that nobody listens to", len(b.each))
		}
	})
}
