package test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
)

// What the strangers do to one validator, and what it may take.
const (
	strangers             = 20
	strangerPause         = 10 * time.Millisecond // between the messages of one: 2,000 a second of all
	strangerOffers        = 8                     // of one that are not answered
	idleConnections       = 500
	subscriptionBytes     = 50 << 20  // to topics that do not exist
	defaultStrangeSeconds = 8         // unless DUNLIN_FLOOD_SECONDS says otherwise
	strangeMemory         = 512 << 20 // bytes
)

// Strangers flood a validator with valid, invalid, repeated and future messages while 500 connections stand
// open: its memory stays bounded, nobody is accused, and all go on committing what honest clients submit.
func TestStrangersFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a network for a while")
	}
	t.Parallel()
	during := time.Duration(number(t, "DUNLIN_FLOOD_SECONDS", defaultStrangeSeconds)) * time.Second
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(200)
	commits := func() dag.CommitIndex {
		before := f.commitOf(1)
		time.Sleep(during)
		return f.commitOf(1) - before
	}
	calm := commits()
	memory := watchMemory(f, 0)
	end := floodBy(f)
	flooded := commits()
	sent := end() // before its repetitions outlive the window in which an id is remembered
	l.untilMore(100)
	peak := memory()
	l.stop()
	t.Logf("%d commits in %s, and %d under %d messages of %d strangers and %d idle connections and %d MiB of subscriptions; at most %d MiB of memory",
		calm, during, flooded, sent, strangers, idleConnections, subscriptionBytes>>20, peak>>20)
	if peak > strangeMemory {
		t.Errorf("the flooded validator took %d bytes of memory, limit %d", peak, strangeMemory)
	}
	if flooded == 0 {
		t.Error("no commit under the flood")
	}
	f.checkCommitted(l.promised())
	f.checkHonest()
}

// floodBy begins to flood node 0. The result ends it and says how many messages were sent.
func floodBy(f *fleet) func() int {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	target, err := peer.AddrInfoFromString(f.network.Nodes[0].P2P)
	if err != nil {
		f.t.Fatal(err)
	}
	genesis := f.genesis()
	committee, err := genesis.Committee()
	if err != nil {
		f.t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for i := range strangers {
		keys, err := crypto.GenerateKeys(rand.Reader)
		if err != nil {
			f.t.Fatal(err)
		}
		network, err := p2p.New(p2p.Config{
			Identity: keys.Identity, Committee: committee, Blocks: nothing{}, Peers: []peer.AddrInfo{*target},
			Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")},
		})
		if err != nil {
			f.t.Fatal(err)
		}
		all.Go(func() {
			for range network.Events() {
			}
		})
		all.Go(func() {
			defer network.Close()
			s := &stranger{network: network, number: i, free: make(chan struct{}, strangerOffers), hasher: dag.NewItemHasher(committee.Network())}
			defer s.offers.Wait()
			for next := time.Now(); ctx.Err() == nil; next = next.Add(strangerPause) {
				time.Sleep(time.Until(next))
				s.say(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			sent += s.said
		})
	}
	var idle []net.Conn
	host, _ := target.Addrs[0].ValueForProtocol(ma.P_IP4)
	port, _ := target.Addrs[0].ValueForProtocol(ma.P_TCP)
	for range idleConnections {
		if c, err := net.Dial("tcp", net.JoinHostPort(host, port)); err == nil {
			idle = append(idle, c)
		}
	}
	all.Go(func() { subscribe(ctx, *target) })
	end := sync.OnceFunc(func() {
		cancel()
		all.Wait()
		for _, c := range idle {
			_ = c.Close()
		}
	})
	f.t.Cleanup(end)
	return func() int { end(); return sent }
}

// subscribe sends subscriptions to topics that do not exist until all are sent or ctx ends.
func subscribe(ctx context.Context, target peer.AddrInfo) {
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Security(noise.ID, noise.New))
	if err != nil {
		panic(err)
	}
	defer h.Close()
	if h.Connect(ctx, target) != nil {
		return
	}
	s, err := h.NewStream(ctx, target.ID, "/meshsub/1.1.0")
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	yes := true
	for sent := 0; sent < subscriptionBytes; {
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

func (s *stranger) say(ctx context.Context) {
	s.said++
	future := dag.Round(1_000_000 + s.said)
	switch s.said % 8 {
	case 0: // valid and new
		_ = s.network.PublishTransaction(ctx, s.item(s.said))
	case 1, 2: // valid, and said before
		_ = s.network.PublishTransaction(ctx, s.item(0))
	case 3: // a frontier from the future
		_ = s.network.Send(ordering.Send{To: 0, Message: ordering.FrontierMessage{Newest: []dag.Ref{{Round: future, Author: 1}}}})
	case 4: // rounds that nobody has, and many that all have
		s.network.Fetch(ordering.Fetch{ID: uint64(s.said), To: 0, FromRound: future, ToRound: future + 400})
		s.network.Fetch(ordering.Fetch{ID: uint64(s.said), To: 0, FromRound: 1, ToRound: 400})
	case 5: // what is no transaction, where that bars nobody
		s.offer(ctx, fmt.Appendf(nil, "no transaction %d of %d", s.said, s.number))
	case 6: // valid, offered again and again
		s.offer(ctx, s.item(1), s.item(1), s.item(1))
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
