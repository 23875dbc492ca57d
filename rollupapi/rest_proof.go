package rollupapi

import (
	"net/http"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/nmt"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// restItemProof answers with one document, which `dunlin verify` and the package proof read.
func (s *Server) restItemProof(w http.ResponseWriter, r *http.Request) error {
	id, err := parseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if known, ok := s.hashes.find(id); ok {
		id = known
	}
	ask := &pb.GetProofRequest{Id: id[:]}
	if name := r.URL.Query().Get("namespace"); name != "" {
		rule, err := s.namespace(name)
		if err != nil {
			return err
		}
		ask.Namespace = uint64(rule.ID)
	}
	answer, err := s.prove(ask)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.document(answer.GetProofs()[0]))
}

// restNamespaceProof answers with one document, or with a list where to_commit is given.
func (s *Server) restNamespaceProof(w http.ResponseWriter, r *http.Request) error {
	rule, err := s.namespace(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	ask := &pb.GetProofRequest{Namespace: uint64(rule.ID)}
	q := r.URL.Query()
	if ask.Commit, err = queryNumber(q, "commit", 63); err != nil {
		return err
	}
	if ask.ToCommit, err = queryNumber(q, "to_commit", 63); err != nil {
		return err
	}
	answer, err := s.prove(ask)
	if err != nil {
		return err
	}
	if ask.GetToCommit() == 0 {
		return writeJSON(w, http.StatusOK, s.document(answer.GetProofs()[0]))
	}
	return writeJSON(w, http.StatusOK, struct {
		Proofs     []*proof.Document `json:"proofs"`
		Watermarks watermarksJSON    `json:"watermarks"`
	}{s.documents(answer.GetProofs()), newWatermarksJSON(answer.GetWatermarks())})
}

func (s *Server) documents(proofs []*pb.Proof) []*proof.Document {
	var out []*proof.Document
	for _, m := range proofs {
		out = append(out, s.document(m))
	}
	return out
}

// documentOr is document, nil of nil.
func (s *Server) documentOr(m *pb.Proof) *proof.Document {
	if m == nil {
		return nil
	}
	return s.document(m)
}

// document is a proof in the form that is kept in files.
func (s *Server) document(m *pb.Proof) *proof.Document {
	d := &proof.Document{NetworkID: s.network, Commit: dag.CommitIndex(m.GetCommit()), Digest: crypto.Digest(m.GetDigest()), Header: m.GetHeader()}
	if i := m.GetItem(); i != nil {
		d.Item = &proof.ItemSection{Index: i.GetIndex(), TxID: crypto.Digest(i.GetTxId()), Path: digestsOf(i.GetPath()), Outline: i.GetOutline()}
	}
	for _, n := range m.GetNamespaces() {
		section := proof.NamespaceSection{Namespace: dag.Namespace(n.GetNamespace()), Start: n.GetStart(), Leaves: []proof.Leaf{}, Path: []nmt.Node{}}
		for _, l := range n.GetLegs() {
			section.Leaves = append(section.Leaves, proof.Leaf{Index: l.GetIndex(), Leg: uint8(l.GetLeg()), TxID: crypto.Digest(l.GetTxId())})
		}
		for _, node := range n.GetPath() {
			section.Path = append(section.Path, nmt.Node(node))
		}
		if len(n.GetBeside()) > 0 {
			beside := nmt.Node(n.GetBeside())
			section.Beside = &beside
		}
		d.Namespaces = append(d.Namespaces, section)
	}
	for _, c := range m.GetChains() {
		section := proof.ChainSection{Namespace: dag.Namespace(c.GetNamespace()), ChainProof: proof.ChainProof{Heads: c.GetHeads(), Places: []proof.ChainPlace{}}}
		for _, p := range c.GetPlaces() {
			section.Places = append(section.Places, proof.ChainPlace{
				Place: p.GetPlace(), Namespace: dag.Namespace(p.GetNamespace()), Hash: crypto.Digest(p.GetHash()), Path: digestsOf(p.GetPath()),
			})
		}
		d.Chains = append(d.Chains, section)
	}
	return d
}

func digestsOf(raws [][]byte) []crypto.Digest {
	out := make([]crypto.Digest, len(raws))
	for i := range raws {
		out[i] = crypto.Digest(raws[i])
	}
	return out
}
