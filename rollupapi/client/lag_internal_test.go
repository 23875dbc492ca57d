package client

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// TestLag: a follower that waits for certificates says so after a minute and once a minute, and not while it moves on or has
// all that there is.
func TestLag(t *testing.T) {
	message := func(committed, certified uint64) *pb.StreamResponse {
		return &pb.StreamResponse{Watermarks: &pb.Watermarks{Committed: committed, Certified: certified}}
	}
	e := &endpoint{url: "http://node"}
	for name, test := range map[string]struct {
		step  func(l *lag, second int)
		words int // in ten minutes of a step a second
	}{
		"nothing comes":        {func(l *lag, i int) { l.look(e, message(10+uint64(i), 9), false) }, 9},
		"something comes":      {func(l *lag, i int) { l.look(e, message(10+uint64(i), 9), i%59 == 0) }, 0},
		"there is no more":     {func(l *lag, i int) { l.look(e, message(9, 9), false) }, 0},
		"certificates refused": {func(l *lag, i int) { l.refused(e, &Error{Reason: "NOT_CERTIFIED"}) }, 9},
		"refused, and all is said to be certified": {func(l *lag, i int) {
			l.look(e, message(9, 9), false)
			l.refused(e, &Error{Reason: "NOT_CERTIFIED"})
		}, 9},
		"another error":     {func(l *lag, i int) { l.refused(e, &Error{Reason: "BUSY"}) }, 0},
		"five minutes long": {func(l *lag, i int) { l.look(e, message(10+uint64(i), 9), i > 300) }, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			l := &lag{logger: slog.New(slog.NewTextHandler(&log, nil)), patience: certifiedPatience}
			for i := range 600 {
				test.step(l, i)
				time.Sleep(time.Second)
			}
			text := log.String()
			if n := strings.Count(text, "level=WARN msg=waiting_for_certificates node=http://node"); n != test.words || n != strings.Count(text, "next=") {
				t.Errorf("%s: %d words, want %d:\n%s", name, n, test.words, text)
			}
			if again := strings.Contains(text, "certificates_come_again node=http://node after=5m1s"); again != (test.words == 5) {
				t.Errorf("%s: %s", name, text)
			}
		})
	}
	var none *lag
	none.look(e, message(2, 1), false)
	none.refused(e, &Error{Reason: "NOT_CERTIFIED"})
}
