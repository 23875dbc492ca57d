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
	answer, err := g.server.lightUpdate(r.GetFromEpoch())
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

// lightUpdate is the keys of an epoch and later.
func (s *Server) lightUpdate(from uint64) (*pb.LightUpdateResponse, error) {
	status := s.backend.Certificates.CertificateStatus()
	answer := &pb.LightUpdateResponse{Generation: newKeyGeneration(&status, s.backend.Committee), Watermarks: s.watermarks()}
	epoch := uint64(s.backend.Committee.Epoch())
	if from > epoch {
		return nil, refuse(ReasonNotFound, "the network is in epoch %d: there are no keys from epoch %d on", epoch, from).at("from_epoch")
	}
	for _, key := range s.backend.Certificates.CertificateKeys() {
		m, err := s.certificateKey(&key)
		if err != nil {
			return nil, err
		}
		answer.Keys = append(answer.Keys, m)
		if key.ID == status.Serving {
			answer.Generation.ServingFromCommit, answer.Generation.Threshold = uint64(key.From), uint32(key.Threshold)
		}
	}
	return answer, nil
}

func (s *Server) certificateKey(key *keygen.Key) (*pb.CertificateKey, error) {
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
	room := maxOriginBytes
	for i := range origins {
		o := &origins[i]
		origin := &pb.KeyOrigin{Dealer: o.Dealer.String(), Commit: uint64(o.Commit), Digest: o.Digest[:], Deal: o.Deal}
		block, err := s.dealBlock(o, keygen.KindCertificateDeal)
		if err != nil {
			return nil, err
		}
		if room -= len(block); room >= 0 {
			origin.Block = block
		}
		m.Origins = append(m.Origins, origin)
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
	from, err := queryNumber(r.URL.Query(), "from_epoch", 64)
	if err != nil {
		return err
	}
	answer, err := s.lightUpdate(from)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, NewLightUpdateJSON(answer))
}
