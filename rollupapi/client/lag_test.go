package client_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/certificate"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// words is a log, and a cue for the first word in it.
type words struct {
	mu   sync.Mutex
	text strings.Builder
	cue  func()
}

// Write takes a line.
func (w *words) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cue()
	return w.text.Write(line)
}

// withholding is certificates that a node has and does not show.
type withholding struct{ rollupapi.Certificates }

// Certificate finds none.
func (withholding) Certificate(dag.CommitIndex) (*certificate.Certificate, bool, error) {
	return nil, false, nil
}

// TestFollowSaysForWhatItWaits: where certificates do not come any more, a follower that waits for them says so and
// hands out nothing, wherever it begins and whether or not it proves them.
func TestFollowSaysForWhatItWaits(t *testing.T) {
	t.Parallel()
	chain, _ := certifiedItems(t, "true ")
	for range 5 {
		chain.Commit(t) // which nobody certifies
	}
	url, _ := chain.Serve(t)
	whole, _ := certifiedItems(t, "true ")
	config := whole.Config()
	config.Certificates = withholding{config.Certificates}
	withholder, _ := apitest.Start(t, rollupapi.New(config))
	var all sync.WaitGroup
	for name, test := range map[string]struct {
		url       string
		committee *dag.Committee
		selection client.Selection
	}{
		"of whom withholds them":  {withholder, chain.Committee, client.Selection{Cursor: "genesis"}},
		"from an uncertified tip": {url, chain.Committee, client.Selection{Cursor: "tip"}},
		"behind the last one":     {url, chain.Committee, client.Selection{Cursor: "commit:14"}},
		"on a node's word":        {url, nil, client.Selection{Cursor: "commit:13", MinState: client.Certified}},
		"unproven":                {url, nil, client.Selection{Cursor: "commit:13", MinState: client.Certified, Unproven: true}},
	} {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			log := &words{cue: cancel}
			c, err := client.NewFrom(client.Config{Endpoints: []string{test.url}, Committee: test.committee, Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			client.SetLagPatience(c, 10*time.Millisecond)
			err = c.FollowEvents(ctx, test.selection, func(e client.Event) error {
				if e.Commit != nil || len(e.Items) > 0 {
					t.Errorf("%s: an event that is not certified: %+v", name, e)
				}
				return nil
			})
			if text := log.text.String(); !strings.Contains(text, "msg=waiting_for_certificates node="+test.url) || strings.Count(text, "\n") != 1 {
				t.Errorf("%s: ended with %v and log %q", name, err, text)
			}
		})
	}
	all.Wait()
}
