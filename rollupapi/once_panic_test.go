package rollupapi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
)

// TestOncePanic: a first call that panics is forgotten; of those that wait for it the next one is carried out, and answers
// the others.
func TestOncePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, key, body := newOnce(), onceKey{"client", "key"}, crypto.Digest{1}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		release, panicked := make(chan struct{}), make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _ = o.do(ctx, key, body, func() (answer, error) {
				<-release
				panic("a bug")
			})
		}()
		synctest.Wait() // the first call is under way
		ran, answers, begun := 0, make(chan error, 3), time.Now()
		for range cap(answers) {
			go func() {
				_, err := o.do(ctx, key, body, func() (answer, error) {
					ran++
					return answer{results: make([]result, 1)}, nil
				})
				answers <- err
			}()
		}
		synctest.Wait() // they wait for it
		close(release)
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Errorf("who waited is answered %v", err)
			}
		}
		if p := <-panicked; p != "a bug" || ran != 1 || time.Since(begun) != 0 {
			t.Errorf("panic %v; then carried out %d times, after %v", p, ran, time.Since(begun))
		}
	})
}
