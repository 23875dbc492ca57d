package test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
)

// What the strangers do to one validator.
const (
	strangers          = 20
	strangerPause      = 10 * time.Millisecond // between the messages of one: 2,000 a second of all
	strangerOffers     = 8                     // of one that are not answered
	idleConnections    = 500
	idlePause          = time.Second // before one that was closed is opened again
	subscriptionBytes  = 50 << 20    // to topics that do not exist
	subscriptionsEvery = 20 * time.Millisecond
	garbageEvery       = 100 * time.Millisecond
	garbageBytes       = 64 << 10
)

// mode is what the strangers do now.
type mode string

const (
	resting  mode = "rest"
	flooding mode = "flood"
	burning  mode = "burn" // nothing but as much of the processors as the flood took of this process
)

// The strangers are a process of their own: what they take of the processors is known then, and can be told
// from what they cost the validator. Its environment names the address of the validator and the genesis.
const (
	strangersTarget  = "DUNLIN_TEST_STRANGERS"
	strangersGenesis = "DUNLIN_TEST_STRANGERS_GENESIS"
)

// runStrangers is the whole of that process: it does what its input says, a mode a line, and answers each with
// the messages that were sent so far. It ends with its input.
func runStrangers() error {
	genesis, err := node.LoadGenesis(os.Getenv(strangersGenesis))
	if err != nil {
		return err
	}
	committee, err := genesis.Committee()
	if err != nil {
		return err
	}
	target, err := peer.AddrInfoFromString(os.Getenv(strangersTarget))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{committee: committee, target: *target}
	c.set(resting)
	defer c.all.Wait()
	defer cancel()
	for i := range strangers {
		if err := c.add(ctx, i); err != nil {
			return err
		}
	}
	for range idleConnections {
		c.all.Go(func() { c.idle(ctx) })
	}
	c.all.Go(func() { c.subscribe(ctx) })
	c.all.Go(func() { c.throwGarbage(ctx) })
	for range runtime.GOMAXPROCS(0) {
		c.all.Go(func() { c.burn(ctx) })
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		c.set(mode(in.Text()))
		fmt.Println(c.sent.Load())
	}
	return nil
}

// crowd is the strangers and what they share.
type crowd struct {
	committee *dag.Committee
	target    peer.AddrInfo
	all       sync.WaitGroup
	sent      atomic.Int64
	now       atomic.Pointer[mode]

	mu      sync.Mutex
	since   time.Time
	before  time.Duration // of the processors, when the mode began
	flooded time.Duration // in all
	used    time.Duration // of the processors, in that time
}

func (c *crowd) mode() mode { return *c.now.Load() }

// set changes the mode, and notes what the one before took if that was the flood.
func (c *crowd) set(next mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, used := time.Now(), ownProcessors()
	if !c.since.IsZero() && c.mode() == flooding {
		c.flooded += now.Sub(c.since)
		c.used += used - c.before
	}
	c.since, c.before = now, used
	c.now.Store(&next)
}

// ownProcessors is the time that this process has had of the processors.
func ownProcessors() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// burn takes as much of the processors as the flood did, while it is told to.
func (c *crowd) burn(ctx context.Context) {
	for pause(ctx, time.Millisecond) {
		for c.mode() == burning && c.behind() {
			for i := 0; i < 20_000; i++ { // some 10 microseconds
				runtime.KeepAlive(i)
			}
		}
	}
}

// behind reports whether less of the processors was taken since the mode began than the flood took of them.
func (c *crowd) behind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(ownProcessors()-c.before)*float64(c.flooded) < float64(c.used)*float64(time.Since(c.since))
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// add lets one more stranger connect and speak whenever there is a flood.
func (c *crowd) add(ctx context.Context, number int) error {
	keys, err := crypto.GenerateKeys(rand.Reader)
	if err != nil {
		return err
	}
	network, err := p2p.New(p2p.Config{
		Identity: keys.Identity, Committee: c.committee, Blocks: nothing{}, Peers: []peer.AddrInfo{c.target},
		Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")},
	})
	if err != nil {
		return err
	}
	c.all.Go(func() {
		for range network.Events() {
		}
	})
	c.all.Go(func() {
		defer network.Close()
		s := &stranger{network: network, number: number, free: make(chan struct{}, strangerOffers), hasher: dag.NewItemHasher(c.committee.Network())}
		defer s.offers.Wait()
		for next := time.Now(); pause(ctx, time.Until(next)); next = next.Add(strangerPause) {
			if c.mode() == flooding {
				s.say(ctx)
				c.sent.Add(1)
			}
		}
	})
	return nil
}

// idle keeps a connection open on which nothing is said.
func (c *crowd) idle(ctx context.Context) {
	ip, _ := c.target.Addrs[0].ValueForProtocol(ma.P_IP4)
	port, _ := c.target.Addrs[0].ValueForProtocol(ma.P_TCP)
	for pause(ctx, idlePause) {
		if c.mode() != flooding {
			continue
		}
		conn, err := net.Dial("tcp", net.JoinHostPort(ip, port))
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		_, _ = io.Copy(io.Discard, conn) // until the validator has had enough
		stop()
		_ = conn.Close()
	}
}

// connect is a libp2p host that is connected to the validator and knows nothing of Dunlin.
func (c *crowd) connect(ctx context.Context) (host.Host, error) {
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Security(noise.ID, noise.New))
	if err != nil {
		panic(err)
	}
	if err := h.Connect(ctx, c.target); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// subscribe sends subscriptions to topics that do not exist until all are sent or ctx ends.
func (c *crowd) subscribe(ctx context.Context) {
	h, err := c.connect(ctx)
	if err != nil {
		return
	}
	defer h.Close()
	s, err := h.NewStream(ctx, c.target.ID, "/meshsub/1.1.0")
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	yes := true
	for sent := 0; sent < subscriptionBytes && pause(ctx, subscriptionsEvery); {
		if c.mode() != flooding {
			continue
		}
		var message pb.RPC
		for range 4000 {
			topic := fmt.Sprintf("a topic of which nobody has ever heard before, number %d", sent)
			sent += len(topic)
			message.Subscriptions = append(message.Subscriptions, &pb.RPC_SubOpts{Subscribe: &yes, Topicid: &topic})
		}
		raw, err := proto.Marshal(&message)
		if err != nil {
			panic(err)
		}
		if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(raw))), raw...)); err != nil {
			return // the validator has had enough
		}
	}
}

// throwGarbage comes again and again as somebody new who sends what nobody asked for and nobody can read: over
// bare TCP, as gossip, and where validators push.
func (c *crowd) throwGarbage(ctx context.Context) {
	ip, _ := c.target.Addrs[0].ValueForProtocol(ma.P_IP4)
	port, _ := c.target.Addrs[0].ValueForProtocol(ma.P_TCP)
	network := c.committee.Network().String()[:8]
	garbage := make([]byte, garbageBytes)
	_, _ = rand.Read(garbage) // never fails
	for pause(ctx, garbageEvery) {
		if c.mode() != flooding {
			continue
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort(ip, port)); err == nil {
			_, _ = conn.Write(garbage)
			_ = conn.Close()
		}
		h, err := c.connect(ctx)
		if err != nil {
			continue
		}
		for _, name := range []protocol.ID{"/meshsub/1.1.0", protocol.ID("/dunlin/" + network + "/push/1")} {
			if s, err := h.NewStream(ctx, c.target.ID, name); err == nil {
				_, _ = s.Write(garbage)
				_ = s.Reset()
			}
		}
		_ = h.Close()
	}
}

// stranger is a node without a place in the committee that says one useless thing after the other.
type stranger struct {
	network      *p2p.Network
	number, said int
	hasher       *dag.ItemHasher
	offers       sync.WaitGroup
	free         chan struct{} // a token per offer that is not answered
}

// offer offers items if few offers are unanswered, and does not wait for the answer.
func (s *stranger) offer(ctx context.Context, raws ...[]byte) {
	select {
	case s.free <- struct{}{}:
	default:
		return
	}
	s.offers.Go(func() {
		_, _ = s.network.Offer(ctx, 0, raws)
		<-s.free
	})
}

// sameFor is after how many seconds a stranger takes another transaction to repeat: one without a sender that comes
// again after the window of duplicates is ordered again, which is no fault.
const sameFor = 10

func (s *stranger) say(ctx context.Context) {
	s.said++
	future := dag.Round(1_000_000 + s.said)
	switch s.said % 8 {
	case 0: // valid and new
		_ = s.network.PublishTransaction(ctx, s.item(s.said))
	case 1, 2: // valid, and said before
		_ = s.network.PublishTransaction(ctx, s.item(-int(time.Now().Unix()/sameFor)))
	case 3: // a frontier from the future
		_ = s.network.Send(ordering.Send{To: 0, Message: ordering.FrontierMessage{Newest: []dag.Ref{{Round: future, Author: 1}}}})
	case 4: // rounds that nobody has, and many that all have
		s.network.Fetch(ordering.Fetch{ID: uint64(s.said), To: 0, FromRound: future, ToRound: future + 400})
		s.network.Fetch(ordering.Fetch{ID: uint64(s.said), To: 0, FromRound: 1, ToRound: 400})
	case 5: // what is no transaction, where that bars nobody
		s.offer(ctx, fmt.Appendf(nil, "no transaction %d of %d", s.said, s.number))
	case 6: // valid, offered again and again
		again := s.item(-int(time.Now().Unix() / sameFor))
		s.offer(ctx, again, again, again)
	case 7: // what is no transaction, where it does
		if s.number%2 == 0 {
			_ = s.network.PublishTransaction(ctx, fmt.Appendf(nil, "no transaction %d of %d", s.said, s.number))
		}
	}
}

func (s *stranger) item(i int) []byte {
	tx := dag.Transaction{Namespace: devnet.Open, Payload: fmt.Appendf(nil, "stranger %d, number %d", s.number, i)}
	item, err := tx.Encode(s.hasher)
	if err != nil {
		panic(err)
	}
	return item.Raw
}

// nothing is the blocks of a node that has none.
type nothing struct{}

// Block has none.
func (nothing) Block(dag.Ref) ([]byte, bool, error) { return nil, false, nil }

// BlocksInRounds has none.
func (nothing) BlocksInRounds(_, to dag.Round, _ int) ([][]byte, dag.Round, error) {
	return nil, to + 1, nil
}
