package devnet

import (
	"context"
	"errors"
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
