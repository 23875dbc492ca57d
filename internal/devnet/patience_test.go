package devnet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestUntilSilent: what goes on may take as long as it takes, and what stands still ends.
func TestUntilSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stirred, stop := untilSilent(t.Context(), time.Minute)
		defer stop()
		for range 100 {
			time.Sleep(59 * time.Second)
			if ctx.Err() != nil {
				t.Fatalf("it ends while something happens: %v", context.Cause(ctx))
			}
			stirred()
		}
		time.Sleep(61 * time.Second)
		if !errors.Is(context.Cause(ctx), errSilent) {
			t.Errorf("after a minute of silence: %v", context.Cause(ctx))
		}
	})
}

// TestTeller: what takes long says how far it is, every few seconds.
func TestTeller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		tell := &teller{what: "reading", printf: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }, said: time.Now()}
		for i := range uint64(3) {
			tell.at(10*i, 90)
			time.Sleep(plainEvery * 3 / 4)
		}
		(*teller)(nil).at(1, 2)
		if want := []string{"reading: 20 of 90 commits"}; !slices.Equal(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	})
}
