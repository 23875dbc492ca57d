package devnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// firstCommitPatience is how long a new network may take to its first commit on every node; it
// takes a second or two on an idle machine.
const firstCommitPatience = 2 * time.Minute

// Config says what network to run and what to do with it.
type Config struct {
	Dir        string // its directory; empty makes a new one below the system's temporary directory
	Validators int    // 0: 4, or what the directory holds
	APIPort    int    // first port of the APIs; 0 takes free ones

	Rate      float64       // transactions a second over all nodes; 0 for none
	For       time.Duration // how long; 0 until the context ends
	Namespace dag.Namespace // Open for random payloads of Size bytes; 0 for the two demo rollups
	Size      int
	Sealed    float64 // the share of the transactions that users seal, 0 to 1

	Binary string     // the dunlin to start nodes with
	Out    io.Writer  // text for people
	Screen Screen     // how the state is shown on Out
	Width  func() int // columns of Out, for ScreenLive
}

// defaultValidators is the smallest network that survives a faulty validator.
const defaultValidators = 4

// devnet is one run.
type devnet struct {
	Config
	network   *Network
	committee *dag.Committee // that must have signed the key that users seal with
	fleet     *fleet
	clients   []*client.Client
	watches   []*watch
	sealers   []*sealer // one per node, once sealing is open; none without sealed load
	ledger    *ledger
	view      *view
}

// Run runs a network until the load is over or ctx ends, then checks what was ordered and stops
// all nodes. It blocks until they have stopped, also on errors; ending hard skips the check and
// hurries. The result is nil only together with an error; a network at fault is no error of Run,
// see Result.Fault.
func Run(ctx, hard context.Context, c Config) (*Result, error) {
	d := &devnet{Config: c, ledger: newLedger()}
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := d.open(); err != nil {
		return nil, err
	}
	result := &Result{Validators: len(d.network.Nodes), Directory: d.network.Dir()}
	var err error
	if result.Calibration.Before, err = calibrate(); err != nil {
		return nil, err
	}
	err = d.runNodes(ctx, hard, result)
	if err != nil {
		d.view.printf("data and logs lie in %s", d.network.Dir())
		return nil, err
	}
	if result.Calibration.After, err = calibrate(); err != nil {
		return nil, err
	}
	result.NodeCPU, result.LoadCPU = d.fleet.cpuSeconds(), ownCPU()
	d.summary(result)
	return result, nil
}

func (d *devnet) check() error {
	switch {
	case d.Rate < 0 || d.Rate > 1e6:
		return &planError{fmt.Sprintf("rate of %g transactions/s, want 0 to 1000000", d.Rate), "--rate 50"}
	case !(d.Sealed >= 0 && d.Sealed <= 1):
		return &planError{fmt.Sprintf("a sealed share of %g, want 0 to 1", d.Sealed), "--sealed 0.5"}
	case d.For < 0:
		return &planError{"a negative time", "--for 20s"}
	case d.Namespace != 0 && d.Namespace != Open:
		return &planError{fmt.Sprintf("load for namespace %d cannot be made", d.Namespace), "--namespace demo or --namespace open"}
	case d.Namespace == Open && (d.Size < minPayload || d.Size > dag.MaxTransactionBytes):
		return &planError{fmt.Sprintf("payloads of %d bytes, want %d to %d", d.Size, minPayload, dag.MaxTransactionBytes), "--size 512"}
	}
	return nil
}

// open takes up the network of the directory or writes a new one, and prepares what watches it.
func (d *devnet) open() error {
	if d.Dir == "" {
		dir, err := os.MkdirTemp("", "dunlin-devnet-")
		if err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		d.Dir = dir
	}
	var err error
	d.network, err = Load(d.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if d.Validators == 0 {
			d.Validators = defaultValidators
		}
		if d.network, err = Create(d.Dir, Plan{Validators: d.Validators, APIPort: d.APIPort}); err != nil {
			return err
		}
	case err != nil:
		return err
	case d.Validators != 0 && d.Validators != len(d.network.Nodes):
		return &planError{
			fmt.Sprintf("the network in %s has %d validators, not %d", d.Dir, len(d.network.Nodes), d.Validators),
			"leave out --validators, or choose a new directory",
		}
	case d.APIPort != 0 && d.network.Nodes[0].API != fmt.Sprintf("http://127.0.0.1:%d", d.APIPort):
		return &planError{
			fmt.Sprintf("the network in %s serves its first API at %s", d.Dir, d.network.Nodes[0].API),
			"leave out --api-port, or choose a new directory",
		}
	}
	d.fleet = newFleet(d.Binary, d.network)
	if d.committee, err = d.network.committee(); err != nil {
		return err
	}
	for _, n := range d.network.Nodes {
		c, err := client.NewFrom(client.Config{Endpoints: []string{n.API}, Committee: d.committee})
		if err != nil {
			return err
		}
		d.clients = append(d.clients, c)
		d.watches = append(d.watches, newWatch(c))
	}
	d.view = &view{out: d.Out, screen: d.Screen, width: d.Width, fleet: d.fleet, nodes: d.watches, ledger: d.ledger}
	return nil
}

// runNodes starts the nodes, works with them, and stops them whatever happened.
func (d *devnet) runNodes(ctx, hard context.Context, result *Result) (err error) {
	defer func() {
		for _, c := range d.clients {
			c.Close()
		}
		err = errors.Join(err, d.fleet.stop(hard))
	}()
	d.view.printf("starting %d validators in %s", len(d.network.Nodes), d.network.Dir())
	if err := d.fleet.start(); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(hard)
	var group errgroup.Group
	defer func() {
		stopWatching()
		err = errors.Join(err, group.Wait())
	}()
	for i, w := range d.watches {
		group.Go(func() error { w.follow(watching); return nil })
		if d.Sealed > 0 {
			group.Go(func() error { w.followReveals(watching); return nil })
		}
		group.Go(func() error { return d.track(watching, i, w) })
	}
	if err := d.firstCommit(ctx); err != nil {
		return err
	}
	d.greet()
	if err := d.openSealing(ctx); err != nil {
		return err
	}
	took, err := d.load(ctx, hard)
	if err != nil {
		return err
	}
	d.view.printf("reading the order back from every validator")
	readings, finding, err := audit(hard, d.fleet.snapshot(), d.clients, d.ledger.ids, d.teller("reading the order back"))
	if err != nil {
		return err
	}
	result.fill(finding, d.ledger, d.watches, took)
	if err := d.checkReveals(hard, readings, result); err != nil {
		return err
	}
	for _, n := range d.network.Nodes {
		result.API = append(result.API, n.API)
	}
	return nil
}

// track asks a node how it is doing and keeps network.json true when processes come and go.
func (d *devnet) track(ctx context.Context, i int, w *watch) error {
	var fault error
	w.poll(ctx, func(reached bool) {
		var err error
		if reached {
			err = d.fleet.seen(i)
		} else {
			err = d.fleet.gone(i)
		}
		if fault == nil {
			fault = err
		}
	})
	return fault
}

// firstCommit waits until every node has committed something.
func (d *devnet) firstCommit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstCommitPatience)
	defer cancel()
	for {
		waiting := ""
		for i, w := range d.watches {
			n := &d.network.Nodes[i]
			if ended := d.fleet.ended(i); ended != "" {
				return n.didNotStart(ended)
			}
			if f := w.figures(); f.status.Commit == 0 {
				waiting = n.Name
			}
		}
		if waiting == "" {
			return nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return &planError{"interrupted before " + waiting + " had committed anything", "dunlin devnet --home " + d.network.Dir()}
		}
		if ctx.Err() != nil {
			return &planError{fmt.Sprintf("%s has committed nothing in %v", waiting, firstCommitPatience), "look at node.log in " + d.network.Dir() + "/*"}
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// load offers load until the time is up or ctx ends, and shows the network meanwhile. It returns
// how long that took.
func (d *devnet) load(ctx, hard context.Context) (time.Duration, error) {
	signing, stopSigning := context.WithCancel(hard)
	var signers errgroup.Group
	defer func() {
		stopSigning()
		_ = signers.Wait() // what they signed is no longer wanted
	}()
	drivers, err := d.drivers(signing, &signers)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	var end time.Time
	loading, stopLoading := context.WithCancel(ctx)
	if d.For > 0 {
		end = start.Add(d.For)
		loading, stopLoading = context.WithDeadline(ctx, end.Add(submitTimeout))
	}
	defer stopLoading()
	viewing, stopViewing := context.WithCancel(hard)
	var viewer sync.WaitGroup
	viewer.Go(func() { d.view.run(viewing) })
	var group errgroup.Group
	for _, driver := range drivers {
		group.Go(func() error { return driver.run(loading, hard, start, end) })
	}
	if end.IsZero() {
		<-ctx.Done()
	} else {
		pause(ctx, time.Until(end))
	}
	took := time.Since(start)
	err = group.Wait()
	stopViewing()
	viewer.Wait()
	return took, err
}

// drivers prepares the load of every node; what can be signed ahead is.
func (d *devnet) drivers(ctx context.Context, signers *errgroup.Group) ([]*driver, error) {
	if d.Rate == 0 {
		return nil, nil
	}
	perNode := d.Rate / float64(len(d.clients))
	prepared := 0
	if d.For > 0 {
		prepared = int(perNode*d.For.Seconds())/len(demoRollups) + 1
	}
	var drivers []*driver
	var demos []*demoSource
	for i, c := range d.clients {
		driver := &driver{client: c, ledger: d.ledger, watch: d.watches[i], network: d.network.NetworkID}
		if len(d.sealers) > 0 {
			driver.sealer = d.sealers[i]
		}
		if err := driver.pace(perNode, max(d.Size, demoPayload)); err != nil {
			return nil, err
		}
		if d.Namespace == Open {
			s, err := newOpenSource(Open, d.Size)
			if err != nil {
				return nil, err
			}
			driver.source = s
		} else {
			s, err := newDemoSource(ctx, signers, prepared)
			if err != nil {
				return nil, err
			}
			driver.source, demos = s, append(demos, s)
		}
		drivers = append(drivers, driver)
	}
	for _, s := range demos {
		for !s.ready() && ctx.Err() == nil {
			pause(ctx, 10*time.Millisecond)
		}
	}
	return drivers, nil
}

// greet says where the network is and what to type at it.
func (d *devnet) greet() {
	d.view.printf("the network commits. APIs:")
	for _, n := range d.network.Nodes {
		d.view.printf("  %-4s %s", n.Name, n.API)
	}
	api := d.network.Nodes[0].API
	d.view.printf("submit:  curl --data-binary 'hello' '%s/v1/namespaces/open/transactions?wait=committed'", api)
	d.view.printf("follow:  curl -N '%s/v1/stream?namespace=open&cursor=genesis'", api)
	d.view.printf("wallet:  %s/rpc/%d (chain id %d)", api, DemoA, DemoA)
	d.view.printf("Ctrl-C stops it")
}

func (d *devnet) summary(r *Result) {
	verdict := "all validators agree, nothing lost, nothing twice"
	if fault := r.Fault(); fault != nil {
		verdict = "AT FAULT: " + fault.Error()
	}
	d.view.printf("%d commits, %d of %d transactions committed, latency p50 %.0f ms p99 %.0f ms: %s",
		r.Commits, r.Committed, r.Submitted, r.Latency.P50, r.Latency.P99, verdict)
	if r.Sealed > 0 {
		d.view.printf("%d sealed, %d of them revealed and checked with their openings, from commit to reveal p50 %.0f ms p99 %.0f ms",
			r.Sealed, r.Revealed, r.Reveal.P50, r.Reveal.P99)
	}
	d.view.printf("this machine verifies %.0f ed25519 signatures/s on one core", r.Calibration.Before)
	d.view.printf("data and logs lie in %s; go on with: dunlin devnet --home %s", d.network.Dir(), d.network.Dir())
}
