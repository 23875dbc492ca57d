package rollupapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/netutil"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/execution"
	"github.com/dunlin-network/dunlin/rollupapi/gate"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// Config is what a Server stands on. All fields but Identity, Streams, Connections, Gate, TLS and Execution are
// needed.
type Config struct {
	Sequencer    Sequencer
	History      History
	Watcher      Watcher
	DAG          DAG
	Sealing      Sealing
	Reveals      Reveals
	Certificates Certificates
	Node         NodeInfo
	Admission    *Admission          // shared with whatever else admits items on this node
	Identity     *crypto.IdentityKey // signs receipts; nil for none
	Committee    *dag.Committee
	Registry     Namespaces
	Name         string // the node's, for people
	Chain        string // the network's name, for people
	Version      string // the program's version
	Streams      int    // how many streams are served at a time; 0 for 256
	// Connections is how many connections are served at a time, more wait in the backlog; 0 for 4096, the most.
	Connections int
	Logger      *slog.Logger
	Gate        *gate.Gate         // who may call; nil for everybody but web pages
	TLS         *tls.Config        // nil for clear text
	Execution   *execution.Clients // asked for what JSON-RPC does not answer itself; nil for none
}

// Server serves the rollup-facing interface of one node. Its methods are safe for concurrent use.
type Server struct {
	backend   Config
	network   crypto.Digest
	admission *Admission
	tracker   *tracker
	hashes    *hashes
	openings  *openings
	once      *once
	recent    *recent
	encoded   *encoded
	committed *bells // of readers of what is committed
	revealed  *bells // of readers of what is revealed
	chains    *chainBook
	proofs    *proofBook
	log       *slog.Logger
	streams   chan struct{} // one token per stream being served
	gate      *gate.Gate
	openAPIState
	errors   *connect.ErrorWriter
	patience time.Duration // writeTimeout

	life    context.Context // ends when the server stops
	stop    context.CancelFunc
	running sync.WaitGroup // calls on their way through the sequencer

	mu        sync.Mutex
	stopping  bool
	callCount int
	callBytes int64
	streaming map[string]int // streams of each client that is limited
}

// New returns a server that Serve starts.
func New(c Config) *Server {
	if c.Streams == 0 {
		c.Streams = defaultStreams
	}
	if c.Connections <= 0 || c.Connections > maxConnections {
		c.Connections = maxConnections
	}
	s := &Server{
		backend: c, network: c.Committee.Network(), admission: c.Admission, tracker: newTracker(), hashes: newHashes(), openings: newOpenings(), once: newOnce(),
		recent: &recent{history: c.History}, encoded: newEncoded(),
		chains: &chainBook{network: c.Committee.Network(), history: c.History}, proofs: newProofBook(),
		log: c.Logger, streams: make(chan struct{}, c.Streams), patience: writeTimeout, gate: c.Gate, errors: newErrorWriter(), streaming: map[string]int{},
	}
	if s.gate == nil {
		s.gate, _ = gate.New(gate.Config{}) // which cannot be wrong
	}
	s.life, s.stop = context.WithCancel(context.Background())
	s.committed, s.revealed = newBells(s.life), newBells(s.life)
	return s
}

// Serve answers on the listener, which it closes, until ctx ends or something breaks that the
// server cannot go on without; it may be called once. When it returns, all of the server's
// goroutines have ended. The error is nil if ctx ended it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	web := s.webServer()
	failed := make(chan error, 3)
	var parts sync.WaitGroup
	parts.Go(func() { failed <- s.follow(s.life) })
	parts.Go(func() { failed <- s.followReveals(s.life) })
	l = gate.Listener(netutil.LimitListener(l, s.backend.Connections), maxClientConnections)
	if web.TLSConfig != nil {
		parts.Go(func() { failed <- web.ServeTLS(l, "", "") })
	} else {
		parts.Go(func() { failed <- web.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.stop()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if web.Shutdown(end) != nil {
		web.Close() // calls that did not end in time are cut off; there is nobody to tell
	}
	parts.Wait()
	s.committed.waking.Wait()
	s.revealed.waking.Wait()
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("serve api: %w", err)
	}
	return nil
}

func (s *Server) webServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	if s.backend.TLS != nil {
		protocols.SetHTTP2(true)
	} else {
		protocols.SetUnencryptedHTTP2(true) // gRPC in clear text
	}
	return &http.Server{
		Handler:           s.handler(),
		Protocols:         protocols,
		TLSConfig:         s.backend.TLS,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return s.life },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxConcurrentStreams,
			MaxReceiveBufferPerStream:     maxSubmitBytes,
			MaxReceiveBufferPerConnection: 4 * maxSubmitBytes,
			SendPingTimeout:               idleTimeout / 4,
			PingTimeout:                   writeTimeout,
			WriteByteTimeout:              writeTimeout,
		},
	}
}

// handler is the whole port.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	options := []connect.HandlerOption{connect.WithReadMaxBytes(maxBodyBytes), connect.WithCompressMinBytes(compressFrom)}
	mux.Handle(dunlinv1connect.NewIngressHandler(&ingress{s}, options...))
	mux.Handle(dunlinv1connect.NewStatusHandler(&statuses{s}, options...))
	mux.Handle(dunlinv1connect.NewReadHandler(&reads{s}, options...))
	s.handleSequencing(mux, options)
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.answering(r.handle))
	}
	mux.Handle("/", s.answering(noSuchPath))
	return s.guard(mux)
}

// compressFrom is from how many bytes an answer is compressed for clients that ask for it.
const compressFrom = 4 << 10

func noSuchPath(_ http.ResponseWriter, r *http.Request) error {
	return refuse(ReasonNotFound, "nothing answers %s %s: GET / lists what does", clip(r.Method), clip(r.URL.Path))
}

// answering turns the error of a handler that has not answered yet into a problem document.
func (s *Server) answering(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			writeProblem(w, s.refusal(err))
		}
	})
}

// refusal is what the client is told of an error; the node's own trouble goes to the log.
func (s *Server) refusal(err error) *Refusal {
	r := refusalOf(err)
	if r.Reason == ReasonInternal && s.life.Err() == nil && !errors.Is(err, context.Canceled) {
		s.log.Error("api_trouble", slog.Any("err", err), slog.String("next", "check the disk and the node's log above"))
	}
	return r
}

// follow keeps the tracker up with the commits until ctx ends.
func (s *Server) follow(ctx context.Context) error {
	at := s.backend.History.Heads().Committed
	for {
		head, err := s.backend.Watcher.Wait(ctx, at)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for a commit: %w", err)
		}
		for ; at < head; at++ {
			commit, ok, err := s.backend.History.Commit(at + 1)
			if err != nil {
				return fmt.Errorf("read commit %d: %w", at+1, err)
			}
			if ok { // else pruned already: who waits for something in it asks the history in the end
				s.tracker.commit(commit, time.Now())
			}
			s.committed.ring(s.recent.namespacesOf(at + 1))
		}
	}
}

// followReveals wakes the readers of what is revealed until ctx ends.
func (s *Server) followReveals(ctx context.Context) error {
	at := s.backend.History.Heads().Revealed
	for {
		head, err := s.backend.Reveals.WaitRevealed(ctx, at)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for a reveal: %w", err)
		}
		for ; at < head; at++ {
			s.revealed.ring(s.recent.namespacesOf(at + 1))
		}
	}
}
