package apitest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// liar answers for a key what lie makes of the truth.
type liar struct {
	dunlinv1connect.UnimplementedIngressHandler
	truth dunlinv1connect.IngressClient
	lie   func(*pb.EncryptionKey)
}

// GetEncryptionKey is the truth with the lie in it.
func (l *liar) GetEncryptionKey(ctx context.Context, r *pb.GetEncryptionKeyRequest) (*pb.GetEncryptionKeyResponse, error) {
	m, err := l.truth.GetEncryptionKey(ctx, r)
	if err == nil {
		l.lie(m.GetKey())
	}
	return m, err
}

// ServeLying is Serve, but every encryption key is changed by lie before it is answered.
func (c *Chain) ServeLying(t testing.TB, lie func(*pb.EncryptionKey)) string {
	t.Helper()
	return c.serveBut(t, func(web *http.Client, honest string) http.Handler {
		_, lying := dunlinv1connect.NewIngressHandler(&liar{truth: dunlinv1connect.NewIngressClient(web, honest), lie: lie})
		return lying
	}, dunlinv1connect.IngressGetEncryptionKeyProcedure)
}

// small answers with few bytes of what proves keys at a time.
type small struct {
	dunlinv1connect.UnimplementedIngressHandler
	dunlinv1connect.UnimplementedReadHandler
	ingress  dunlinv1connect.IngressClient
	read     dunlinv1connect.ReadClient
	maxBytes uint32
	change   func(*pb.LightUpdateResponse)
}

// GetEncryptionKey is a little of the truth.
func (s *small) GetEncryptionKey(ctx context.Context, r *pb.GetEncryptionKeyRequest) (*pb.GetEncryptionKeyResponse, error) {
	r.MaxBytes = s.maxBytes
	return s.ingress.GetEncryptionKey(ctx, r)
}

// LightUpdate is a little of the truth, changed.
func (s *small) LightUpdate(ctx context.Context, r *pb.LightUpdateRequest) (*pb.LightUpdateResponse, error) {
	r.MaxBytes = s.maxBytes
	m, err := s.read.LightUpdate(ctx, r)
	if err == nil {
		s.change(m)
	}
	return m, err
}

// ServeSmall is Serve, but an answer shows at most so many bytes of what proves keys, and change may change light updates.
func (c *Chain) ServeSmall(t testing.TB, maxBytes uint32, change func(*pb.LightUpdateResponse)) string {
	t.Helper()
	return c.serveBut(t, func(web *http.Client, honest string) http.Handler {
		s := &small{
			ingress: dunlinv1connect.NewIngressClient(web, honest), read: dunlinv1connect.NewReadClient(web, honest),
			maxBytes: maxBytes, change: change,
		}
		_, ingress := dunlinv1connect.NewIngressHandler(s)
		_, read := dunlinv1connect.NewReadHandler(s)
		mux := http.NewServeMux()
		mux.Handle(dunlinv1connect.IngressGetEncryptionKeyProcedure, ingress)
		mux.Handle(dunlinv1connect.ReadLightUpdateProcedure, read)
		return mux
	}, dunlinv1connect.IngressGetEncryptionKeyProcedure, dunlinv1connect.ReadLightUpdateProcedure)
}

// serveBut is Serve, but some procedures are answered by a handler that may ask the honest server.
func (c *Chain) serveBut(t testing.TB, lying func(web *http.Client, honest string) http.Handler, procedures ...string) string {
	t.Helper()
	honest, _ := c.Serve(t)
	target, err := url.Parse(honest)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	handler := lying(&http.Client{Transport: transport}, honest)
	for _, procedure := range procedures {
		mux.Handle(procedure, handler)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

// OwnKey is a lie: a key whose deals are well-formed and add up, in the names of all validators, but made by
// the liar alone, who can so open what is sealed with it. The blocks that are shown stay the validators' own.
func (c *Chain) OwnKey(t testing.TB) func(*pb.EncryptionKey) {
	t.Helper()
	members := make([]crypto.KEMPublicKey, len(c.sealing.members))
	for k, member := range c.sealing.members {
		members[k] = member.Public()
	}
	run, err := dkg.NewRun(dkg.Context{Group: dkg.Ristretto255, Network: c.Committee.Network(), Key: 1}, members)
	if err != nil {
		t.Fatal(err)
	}
	own, err := crypto.NewKEMKey(append([]byte{99}, make([]byte, crypto.KEMSecretSize-1)...))
	if err != nil {
		t.Fatal(err)
	}
	deals := make([]*dkg.Deal, len(members))
	for k := range deals {
		if deals[k], err = run.CheckDeal(k, run.MakeDeal(k, own)); err != nil {
			t.Fatal(err)
		}
	}
	public, err := run.Combine(deals)
	if err != nil {
		t.Fatal(err)
	}
	return func(m *pb.EncryptionKey) {
		m.Key, m.PublicShares = public.Key[:], nil
		for k := range public.Shares {
			m.PublicShares = append(m.PublicShares, public.Shares[k][:])
		}
		for k, o := range m.GetOrigins() {
			digest := deals[k].Digest()
			if o.Digest = digest[:]; len(o.GetDeal()) > 0 {
				o.Deal = deals[k].Bytes()
			}
		}
	}
}

// OwnBlocks is OwnKey with blocks that hold the liar's deals, in a form that only the signature tells from
// the validators' own.
func (c *Chain) OwnBlocks(t testing.TB) func(*pb.EncryptionKey) {
	t.Helper()
	own := c.OwnKey(t)
	return func(m *pb.EncryptionKey) {
		own(m)
		for k, o := range m.GetOrigins() {
			if len(o.GetBlock()) == 0 {
				continue
			}
			block := c.Signed(t, dag.Block{Author: dag.Author(k), Time: 1, System: []dag.SystemMessage{{Kind: keygen.KindDeal, Payload: o.GetDeal()}}})
			raw := append([]byte(nil), block.Bytes()...)
			raw[len(raw)-1] ^= 1
			o.Block = raw
		}
	}
}
