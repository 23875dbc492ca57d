package rollupapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// CertificateScheme is how commits are certified: threshold BLS on BLS12-381, signatures in G1, keys in G2.
const CertificateScheme = "BLS12381-G1-THRESHOLD"

// maxChainHeaders is how many headers one answer with a certificate carries, of 248 bytes each.
const maxChainHeaders = 512

// GetCertificate is the certificate that covers a commit.
func (g *reads) GetCertificate(_ context.Context, r *pb.GetCertificateRequest) (*pb.GetCertificateResponse, error) {
	answer, err := g.server.certificate(dag.CommitIndex(r.GetCommit()))
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

// LightUpdate is the keys that certificates are signed with.
func (g *reads) LightUpdate(_ context.Context, r *pb.LightUpdateRequest) (*pb.LightUpdateResponse, error) {
	answer, err := g.server.lightUpdate(r)
	if err != nil {
		return nil, g.server.fail(err)
	}
	return answer, nil
}

// certificate is the certificate that covers a commit, 0 for the newest one, with the headers between. Errors
// may be Refusals.
func (s *Server) certificate(index dag.CommitIndex) (*pb.GetCertificateResponse, error) {
	heads := s.backend.History.Heads()
	if index == 0 {
		index = max(heads.Certified, 1)
	}
	if _, err := s.commit(index); err != nil {
		return nil, err
	}
	c, ok, err := s.backend.Certificates.Certificate(index)
	if err != nil {
		return nil, fmt.Errorf("read certificate of commit %d: %w", index, err)
	}
	if !ok || c.Commit.Index > heads.Committed {
		return nil, s.notCertified(index)
	}
	message := c.Message(s.backend.Committee.Network())
	answer := &pb.GetCertificateResponse{
		Certificate: &pb.Certificate{
			Commit: uint64(c.Commit.Index), Digest: c.Commit.Digest[:], Epoch: uint64(c.Epoch), KeyId: c.Key, Signature: c.Signature[:],
			NetworkId: s.network.String(), Message: message[:],
		},
		Watermarks: s.watermarks(),
	}
	for i := index; i <= c.Commit.Index; i++ {
		if len(answer.Headers) == maxChainHeaders {
			answer.More = true
			break
		}
		commit, err := s.commit(i)
		if err != nil {
			return nil, err
		}
		answer.Headers = append(answer.Headers, commit.CommitHeader.Append(nil))
	}
	return answer, nil
}

// notCertified says why there is no certificate yet.
func (s *Server) notCertified(index dag.CommitIndex) error {
	if len(s.backend.Certificates.CertificateKeys()) > 0 {
		return refuse(ReasonNotCertified, "commit %d is not certified yet: fewer validators have signed it, or a later commit, than must", index).at("commit")
	}
	status := s.backend.Certificates.CertificateStatus()
	return refuse(ReasonNotCertified, "commit %d is not certified yet: the validators are still making the key (%s, %d deals, %d acknowledgements)", index, status.Phase, status.Deals, status.Acks).at("commit")
}

// awaitCertificate waits until every item that is committed is certified or ctx ends.
func (s *Server) awaitCertificate(ctx context.Context, results []result) error {
	newest := dag.CommitIndex(0)
	for i := range results {
		if placedState(results[i].state) {
			newest = max(newest, results[i].at.Commit)
		}
	}
	if newest > 0 {
		if _, err := s.backend.Certificates.WaitCertified(ctx, newest-1); err != nil && ctx.Err() == nil {
			return fmt.Errorf("wait for the certificate of commit %d: %w", newest, err)
		}
	}
	return nil
}

// lightUpdate is the keys that are asked for, with as much of what proves them as one answer holds.
func (s *Server) lightUpdate(r *pb.LightUpdateRequest) (*pb.LightUpdateResponse, error) {
	status := s.backend.Certificates.CertificateStatus()
	answer := &pb.LightUpdateResponse{Generation: newKeyGeneration(&status, s.backend.Committee), Watermarks: s.watermarks()}
	epoch := uint64(s.backend.Committee.Epoch())
	if from := r.GetFromEpoch(); from > epoch {
		return nil, refuse(ReasonNotFound, "the network is in epoch %d: there are no keys from epoch %d on", epoch, from).at("from_epoch")
	}
	page := s.originPage(originParts{deals: true, blocks: true}, r.GetMaxBytes())
	for _, key := range s.backend.Certificates.CertificateKeys() {
		if key.ID == status.Serving {
			answer.Generation.ServingFromCommit, answer.Generation.Threshold = uint64(key.From), uint32(key.Threshold)
		}
		if key.ID < r.GetFromKey() {
			continue
		}
		if page.full() {
			answer.More = true
			continue
		}
		known := uint32(0)
		if key.ID == r.GetFromKey() {
			known = r.GetFromOrigin()
		}
		m, err := s.certificateKey(&key, page, known)
		if err != nil {
			return nil, err
		}
		answer.Keys = append(answer.Keys, m)
	}
	answer.More = answer.More || page.more
	return answer, nil
}

// certificateKey is a key with those of its origins that have room, but for the first ones, which are known.
func (s *Server) certificateKey(key *keygen.Key, page *originPage, known uint32) (*pb.CertificateKey, error) {
	public, err := certify.NewPublicKey(key.Public)
	if err != nil {
		return nil, fmt.Errorf("certificate key %d: %w", key.ID, err)
	}
	m := &pb.CertificateKey{
		Scheme: CertificateScheme, KeyId: key.ID, Epoch: uint64(s.backend.Committee.Epoch()), Key: public[:],
		Threshold: uint32(key.Threshold), Validators: uint32(len(key.Shares)), ValidFromCommit: uint64(key.From),
		ValidUntilCommit: uint64(key.Until), Attempt: key.Attempt, NetworkId: s.network.String(),
	}
	origins, err := s.backend.Certificates.CertificateOrigins(key.ID)
	if err != nil {
		return nil, fmt.Errorf("read the origins of certificate key %d: %w", key.ID, err)
	}
	if m.Origins, err = page.take(origins, keygen.KindCertificateDeal, known); err != nil {
		return nil, err
	}
	return m, nil
}

// restCertificate serves the certificate that covers a commit.
func (s *Server) restCertificate(w http.ResponseWriter, r *http.Request) error {
	var index uint64
	if text := r.PathValue("index"); text != "latest" {
		var err error
		if index, err = strconv.ParseUint(text, 10, 63); err != nil || index == 0 {
			return refuse(ReasonRequestMalformed, "%q is neither a commit's number nor latest", clip(text)).at("index")
		}
	}
	answer, err := s.certificate(dag.CommitIndex(index))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, NewCertificateJSON(answer))
}

// restLightUpdate serves the keys that certificates are signed with.
func (s *Server) restLightUpdate(w http.ResponseWriter, r *http.Request) error {
	var ask pb.LightUpdateRequest
	q := r.URL.Query()
	var origin, size uint64
	for _, n := range []struct {
		name string
		bits int
		to   *uint64
	}{{"from_epoch", 64, &ask.FromEpoch}, {"from_key", 64, &ask.FromKey}, {"from_origin", 32, &origin}, {"max_bytes", 32, &size}} {
		var err error
		if *n.to, err = queryNumber(q, n.name, n.bits); err != nil {
			return err
		}
	}
	ask.FromOrigin, ask.MaxBytes = uint32(origin), uint32(size)
	answer, err := s.lightUpdate(&ask)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, NewLightUpdateJSON(answer))
}
