package rollupapi

import (
	"net/http"

	"github.com/dunlin-network/dunlin/dag"
)

// validatorJSON is a member of the committee in the JSON forms.
type validatorJSON struct {
	Author   string `json:"author"`
	Name     string `json:"name"`
	Identity string `json:"identity"`
	KEM      string `json:"kem"`
}

// networkJSON is the answer to GET /v1/network.
type networkJSON struct {
	NetworkID  string              `json:"network_id"`
	Chain      string              `json:"chain"`
	Epoch      uint64              `json:"epoch"`
	Validators []validatorJSON     `json:"validators"`
	Namespaces []dag.NamespaceRule `json:"namespaces"`
	Admin      *adminJSON          `json:"admin,omitempty"`
	Watermarks watermarksJSON      `json:"watermarks"`
}

func (s *Server) restNetwork(w http.ResponseWriter, _ *http.Request) error {
	m := s.networkInfo()
	registry := s.backend.Registry.Registry()
	answer := networkJSON{
		Admin:     newAdminJSON(registry),
		NetworkID: m.GetNetworkId(), Chain: m.GetChain(), Epoch: m.GetEpoch(), Validators: []validatorJSON{},
		Namespaces: registry.All(), Watermarks: newWatermarksJSON(m.GetWatermarks()),
	}
	for _, v := range m.GetValidators() {
		answer.Validators = append(answer.Validators, validatorJSON{v.GetAuthor(), v.GetName(), v.GetIdentity(), v.GetKem()})
	}
	return writeJSON(w, http.StatusOK, answer)
}

// limitsJSON is Limits in the JSON forms: bytes, items and commits as the names say.
type limitsJSON struct {
	TransactionBytes uint32 `json:"transaction_bytes"`
	SubmitItems      uint32 `json:"submit_items"`
	SubmitItemsJSON  uint32 `json:"submit_items_json"`
	SubmitBytes      uint32 `json:"submit_bytes"`
	BundleLegs       uint32 `json:"bundle_legs"`
	BundleNamespaces uint32 `json:"bundle_namespaces"`
	RangeItems       uint32 `json:"range_items"`
	RangeBytes       uint32 `json:"range_bytes"`
	RangeCommits     uint32 `json:"range_commits"`
	StreamNamespaces uint32 `json:"stream_namespaces"`
	Streams          uint32 `json:"streams"`
	ValidityWindow   uint32 `json:"validity_window"`
	RPCBatch         uint32 `json:"rpc_batch"`
	SubmitSealed     uint32 `json:"submit_sealed"`
	CiphertextBytes  uint32 `json:"ciphertext_bytes"`
	Unrevealed       uint32 `json:"unrevealed"`
	IdempotencyKey   uint32 `json:"idempotency_key_bytes"`
	WatchIDs         uint32 `json:"watch_ids"`
	Behind           uint32 `json:"behind"`
	RequestBytes     uint32 `json:"request_bytes"`
	Requests         uint32 `json:"requests_per_second"`
	KiB              uint32 `json:"kib_per_second"`
	ClientStreams    uint32 `json:"client_streams"`
	ClientConns      uint32 `json:"client_connections"`
}

// infoJSON is the answer to GET /v1/info.
type infoJSON struct {
	NetworkID       string         `json:"network_id"`
	GenesisHash     string         `json:"genesis_hash"`
	Version         string         `json:"version"`
	ProtocolVersion uint32         `json:"protocol_version"`
	EarliestCommit  uint64         `json:"earliest_commit"`
	Limits          limitsJSON     `json:"limits"`
	Features        []string       `json:"features"`
	Sealing         KeyGeneration  `json:"sealing"`
	Watermarks      watermarksJSON `json:"watermarks"`
}

func (s *Server) restInfo(w http.ResponseWriter, _ *http.Request) error {
	m := s.info()
	l := m.GetLimits()
	return writeJSON(w, http.StatusOK, infoJSON{
		NetworkID: m.GetNetworkId(), GenesisHash: m.GetGenesisHash(), Version: m.GetVersion(), ProtocolVersion: m.GetProtocolVersion(),
		EarliestCommit: m.GetEarliestCommit(), Features: m.GetFeatures(), Sealing: newKeyGenerationForm(m.GetSealing()), Watermarks: newWatermarksJSON(m.GetWatermarks()),
		Limits: limitsJSON{
			TransactionBytes: l.GetTransactionBytes(), SubmitItems: l.GetSubmitItems(), SubmitItemsJSON: l.GetSubmitItemsJson(),
			SubmitBytes: l.GetSubmitBytes(), BundleLegs: l.GetBundleLegs(), BundleNamespaces: l.GetBundleNamespaces(),
			RangeItems: l.GetRangeItems(), RangeBytes: l.GetRangeBytes(), RangeCommits: l.GetRangeCommits(),
			StreamNamespaces: l.GetStreamNamespaces(), Streams: l.GetStreams(), ValidityWindow: l.GetValidityWindow(), RPCBatch: l.GetRpcBatch(),
			SubmitSealed: l.GetSubmitSealed(), CiphertextBytes: l.GetCiphertextBytes(), Unrevealed: l.GetUnrevealed(),
			IdempotencyKey: l.GetIdempotencyKeyBytes(), WatchIDs: l.GetWatchIds(), Behind: l.GetBehind(),
			RequestBytes: l.GetRequestBytes(), Requests: l.GetRequestsPerSecond(), KiB: l.GetKibPerSecond(),
			ClientStreams: l.GetClientStreams(), ClientConns: l.GetClientConnections(),
		},
	})
}
