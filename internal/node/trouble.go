package node

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dunlin-network/dunlin/ordering/keygen"
)

const (
	// troubleAfter is how long something may stand still before it is worth a line: a start takes seconds.
	troubleAfter = 10 * time.Second
	// troubleEvery is how far apart further lines are.
	troubleEvery = time.Minute
)

// trouble is something that stands still and wants to be told in the log until it goes on. One goroutine uses it.
type trouble struct {
	begins, ends string // names of the lines

	since, said time.Time // zero while there is none, or none was told
}

// look notes why something stands still, empty if it does not.
func (t *trouble) look(log *slog.Logger, now time.Time, reason string) {
	switch {
	case reason == "" && !t.said.IsZero():
		log.Info(t.ends, "after", now.Sub(t.since).Round(time.Second))
		t.since, t.said = time.Time{}, time.Time{}
	case reason == "":
		t.since = time.Time{}
	case t.since.IsZero():
		t.since = now
	case now.Sub(t.since) >= troubleAfter && (t.said.IsZero() || now.Sub(t.said) >= troubleEvery):
		t.said = now
		log.Warn(t.begins, "for", now.Sub(t.since).Round(time.Second), "reason", reason)
	}
}

// keyless says whose messages a key generation waits for that does not come to its end by itself, and what
// to do; empty where there is none.
func (n *node) keyless(s *keygen.Status) string {
	advice := s.Advice()
	if advice == "" {
		return ""
	}
	var missing []string
	for _, a := range s.Missing {
		missing = append(missing, n.committee.Validator(a).Name)
	}
	if len(missing) == 0 {
		return advice
	}
	return fmt.Sprintf("key %d, attempt %d, %s: missing %s; %s", s.Key, s.Attempt+1, s.Phase, strings.Join(missing, " "), advice)
}
