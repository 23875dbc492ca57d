// Package node wires one Dunlin node together and runs it: the only event loop that touches the
// engine, the writer that carries out what the engine asks for, and the views that the API reads.
// Run is the whole program of `dunlin run`.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/store"
)

// Options says which node to run.
type Options struct {
	Home    string
	Version string             // the program's version, for status
	Damage  store.DamagePolicy // what to do about a damaged log
	Begin   Begin              // where the history begins
	Logger  *slog.Logger
}

// Run recovers the node from its home directory, joins the mesh and serves the API until ctx ends
// or something breaks without which the node must not go on; it blocks. When it returns, all that
// was acknowledged is on disk. Errors with a Hint method say what to type next.
func Run(ctx context.Context, o Options) (err error) {
	home, err := LoadHome(o.Home)
	if err != nil {
		return err
	}
	for address := home.Config.API.Listen; ; {
		var again *beginAgain
		if address, err = runOnce(ctx, home, o, address); !errors.As(err, &again) {
			return err
		}
		if err := again.snapshot.Install(); err != nil {
			return home.snapshotError(err)
		}
		o.Begin = BeginAsConfigured
	}
}

// runOnce runs the node until it ends or has a snapshot to begin again from, and says where its API was served.
func runOnce(ctx context.Context, home *Home, o Options, address string) (_ string, err error) {
	n, err := open(home, o)
	if err != nil {
		return address, err
	}
	defer func() {
		closing := n.store.Close()
		if again := (*beginAgain)(nil); closing != nil && errors.As(err, &again) {
			err = nil // with a disk that fails nothing is begun again
		}
		err = errors.Join(err, closing)
	}()
	if n.files, err = n.shareDescriptors(); err != nil {
		return address, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return address, &HomeError{fmt.Errorf("serve the API: %w", err), "set api.listen in " + home.Dir + "/" + ConfigFile + " to a free address"}
	}
	address = listener.Addr().String()
	if n.network, err = n.join(); err != nil {
		return address, errors.Join(err, listener.Close())
	}
	n.admin = n.openAdmin()
	n.log.Info("node_started", "name", home.Config.Name, "role", n.role(), "network", n.committee.Network().Short(),
		"api", home.scheme()+address, "commit", n.store.Head().Index)
	err = n.serve(ctx, listener)
	n.log.Info("node_stopped", "commit", n.store.Head().Index)
	if errors.Is(err, store.ErrFatal) {
		err = &HomeError{err, "look at the disk under " + home.DataDir() + " and at what the system says of it, and start the node again once it works"}
	}
	return address, err
}

// node is everything that one running node consists of.
type node struct {
	home      *Home
	version   string
	log       *slog.Logger
	started   time.Time
	committee *dag.Committee
	admission *rollupapi.Admission
	self      dag.Author // or ordering.Observer
	store     *store.Store
	doubt     *doubt
	twin      *twin
	loop      *loop
	writer    *writer
	history   *history
	revealer  *revealer
	certifier *certifier
	pending   *pending
	progress  *progress
	taking    taking
	network   *p2p.Network
	admin     net.Listener // nil where it could not be opened
	files     descriptors
	begin     Begin                  // what to do before the order goes on
	gap       atomic.Pointer[string] // what is wrong and what to do, while nobody has what this node lacks
	archive   atomic.Pointer[rollupapi.Archive]
}

// open takes the home's store and rebuilds the engine, before any networking.
func open(home *Home, o Options) (*node, error) {
	committee, err := home.Genesis.Committee()
	if err != nil {
		return nil, fmt.Errorf("open node: %w", err)
	}
	n := &node{
		home: home, version: o.Version, log: o.Logger, started: time.Now(), committee: committee,
		self: ordering.Observer,
	}
	if author, ok := home.Author(); ok {
		n.self = author
	}
	n.taking.log = n.log
	engine, err := n.recover(o)
	if err != nil {
		return nil, err
	}
	n.history = newHistory(n.store, committee.Epoch())
	n.admission = rollupapi.NewAdmission(rollupapi.AdmissionConfig{
		Network: committee.Network(), Registry: n, Sealing: n, Heads: n.history, Workers: runtime.GOMAXPROCS(0),
	})
	n.revealer = newRevealer(n)
	n.certifier = newCertifier(n)
	n.pending = newPending()
	n.progress = &progress{log: n.log}
	n.writer = newWriter(n)
	n.loop = newLoop(engine, n.writer.inbox, n.started, n.twin)
	n.loop.hand = func(r *ordering.Ready) {
		n.revealer.hand(r)
		n.certifier.hand(r)
	}
	return n, nil
}

// join starts networking.
func (n *node) join() (*p2p.Network, error) {
	relay := p2p.NoRelay
	if n.home.Config.P2P.Relay {
		relay = p2p.RelayForOthers
	}
	network, err := p2p.New(p2p.Config{
		Identity: n.home.Keys.Identity, Committee: n.committee, Listen: n.home.Listen, Peers: n.home.Peers, Announce: n.home.Announce, Relay: relay,
		Blocks: blockSource{n.store}, Snapshots: n.store, AdmitTransaction: n.admitGossip, Logger: n.log,
		Limits: p2p.Limits{Strangers: n.home.Config.Limits.Observers, Descriptors: n.files.mesh},
	})
	if err != nil {
		return nil, &HomeError{fmt.Errorf("join the mesh: %w", err), "look at p2p.listen in " + n.home.Dir + "/" + ConfigFile}
	}
	return network, nil
}

// serve runs the node's goroutines until ctx ends or one of them breaks. They stop in the order in
// which work flows, so that what was accepted is carried out.
func (n *node) serve(ctx context.Context, listener net.Listener) error {
	inside, stopInside := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInside()
	outside, stopOutside := context.WithCancelCause(ctx)
	defer stopOutside(nil)

	var inner errgroup.Group
	watch := func(part func() error) {
		inner.Go(func() error {
			err := part()
			if err != nil {
				stopOutside(err)
			}
			return err
		})
	}
	watch(func() error {
		if err := n.beginHistory(inside); err != nil {
			close(n.loop.out)
			return err
		}
		return n.loop.run(inside, n.network.Events())
	})
	watch(n.writer.run)
	watch(func() error { return n.revealer.run(inside) })
	watch(func() error { return n.certifier.run(inside) })
	watch(func() error { return n.guardDisk(inside, diskFloor) })
	watch(func() error { newRelay(n).run(inside); return nil })
	watch(func() error { n.watchProgress(inside); return nil })
	watch(func() error { return n.watchGap(inside, gapPatience) })
	watch(func() error { n.watchArchive(inside); return nil })
	watch(func() error { return n.serveAdmin(inside) })

	err := n.api().Serve(outside, listener)
	stopInside()
	err = errors.Join(err, inner.Wait())
	n.network.Close()
	return err
}

// api is the server of the rollup-facing interface.
func (n *node) api() *rollupapi.Server {
	return rollupapi.New(rollupapi.Config{
		Sequencer: n, History: n.history, Watcher: n.history, DAG: n.history, Sealing: n, Reveals: n, Certificates: n, Node: n, Admission: n.admission, Identity: n.home.Keys.Identity,
		Gate: n.home.Gate, TLS: n.home.TLS, Execution: n.home.Execution,
		Committee: n.committee, Registry: n, Name: n.home.Config.Name, Chain: n.home.Genesis.Chain, Version: n.version,
		Streams: n.home.Config.Limits.Streams, Connections: n.files.api, Logger: n.log,
	})
}

const (
	// diskEvery is how often free disk space is looked at.
	diskEvery = time.Second
	// diskFloor is with how many free bytes the node ends: a node that does not propose still writes
	// what others do, and Badger takes up to a value log of 256 MiB and two memtables of 16 MiB in
	// one go. It does not survive that there is no room for them.
	diskFloor = 320 << 20
)

// guardDisk tells the engine when the disk runs full and when there is space again. It fails when
// fewer bytes than floor are free.
func (n *node) guardDisk(ctx context.Context, floor uint64) error {
	ticker := time.NewTicker(diskEvery)
	defer ticker.Stop()
	enough := true
	for {
		free, now := n.store.Space()
		if now != enough {
			enough = now
			if !enough {
				n.log.Error("disk_almost_full", "free_bytes", free, "next", "free space under "+n.home.DataDir()+"; proposing resumes by itself")
			} else {
				n.log.Info("disk_has_space_again", "free_bytes", free)
			}
			if !n.loop.put(ctx, ordering.DiskSpace{Enough: enough}) {
				return nil
			}
		}
		if !enough && free < floor {
			return &HomeError{fmt.Errorf("disk full: %d MiB are left", free>>20), "free space under " + n.home.DataDir() + " and start the node again"}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// blockSource serves fetches of other nodes from the store.
type blockSource struct{ store *store.Store }

func (s blockSource) Block(r dag.Ref) ([]byte, bool, error) { return s.store.ServedBytes(r) }

func (s blockSource) BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error) {
	return s.store.BlocksInRounds(from, to, maxBytes)
}
