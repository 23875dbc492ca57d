package rollupapi

import (
	"strings"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// sealedItemJSON is one ciphertext with its envelope in the JSON forms. Namespaces are left out in JSON-RPC,
// where the path names the one.
type sealedItemJSON struct {
	Namespaces []namespaceName `json:"namespaces"`
	Ciphertext hexBytes        `json:"ciphertext"`
	ValidUntil uint64          `json:"valid_until_commit"`
	Sender     hexBytes        `json:"sender"`
	Signature  hexBytes        `json:"signature"`
}

// submitSealedJSON is the body of POST /v1/submit/sealed.
type submitSealedJSON struct {
	Items []sealedItemJSON `json:"items"`
	termsJSON
}

// encryptionKeyJSON is the answer to GET /v1/encryption-key and dunlin_encryptionKey. Keys and digests are
// 0x-hex.
type encryptionKeyJSON struct {
	Scheme       string          `json:"scheme"`
	NetworkID    string          `json:"network_id"`
	KeyID        uint64          `json:"key_id"`
	Key          hexBytes        `json:"key"`
	Threshold    uint32          `json:"threshold"`
	Validators   uint32          `json:"validators"`
	PublicShares []hexBytes      `json:"public_shares"`
	ValidFrom    uint64          `json:"valid_from_commit"`
	ValidUntil   uint64          `json:"valid_until_commit"`
	Attempt      uint32          `json:"attempt"`
	Origins      []keyOriginJSON `json:"origins"`
	Generation   KeyGeneration   `json:"generation"`
	Watermarks   watermarksJSON  `json:"watermarks"`
}

type keyOriginJSON struct {
	Dealer string   `json:"dealer"`
	Commit uint64   `json:"commit"`
	Digest hexBytes `json:"digest"`
	Deal   hexBytes `json:"deal,omitempty"`
	Block  hexBytes `json:"block,omitempty"` // in light updates only
}

// KeyGeneration is where the making of a key stands, or of the last one that was made, in the JSON forms.
type KeyGeneration struct {
	Phase      string   `json:"phase"`
	KeyID      uint64   `json:"key_id"`
	Attempt    uint32   `json:"attempt"`
	Deals      uint32   `json:"deals"`
	Acks       uint32   `json:"acks"`
	Validators uint32   `json:"validators"`
	Deadline   uint64   `json:"deadline_commit"`
	Excluded   []string `json:"excluded,omitempty"`
	Flagged    []string `json:"flagged,omitempty"`
	Serving    uint64   `json:"serving_key_id"`      // 0 for none yet
	Since      uint64   `json:"serving_from_commit"` // 0 for none yet
	Threshold  uint32   `json:"threshold"`           // so many validators' shares open what is sealed with it
	Missing    []string `json:"missing,omitempty"`   // whose good deal, or acknowledgement, is awaited
	Advice     string   `json:"advice,omitempty"`    // what to do about a run that does not come to its end by itself
}

func newKeyGenerationForm(m *pb.KeyGeneration) KeyGeneration {
	return KeyGeneration{
		Phase: m.GetPhase(), KeyID: m.GetKeyId(), Attempt: m.GetAttempt(), Deals: m.GetDeals(), Acks: m.GetAcks(), Validators: m.GetValidators(),
		Deadline: m.GetDeadlineCommit(), Excluded: m.GetExcluded(), Flagged: m.GetFlagged(), Serving: m.GetServingKeyId(),
		Since: m.GetServingFromCommit(), Threshold: m.GetThreshold(),
		Missing: m.GetMissing(), Advice: m.GetAdvice(),
	}
}

func newEncryptionKeyJSON(m *pb.GetEncryptionKeyResponse) encryptionKeyJSON {
	k := m.GetKey()
	j := encryptionKeyJSON{
		Scheme: k.GetScheme(), NetworkID: k.GetNetworkId(), KeyID: k.GetKeyId(), Key: k.GetKey(), Threshold: k.GetThreshold(), Validators: k.GetValidators(),
		ValidFrom: k.GetValidFromCommit(), ValidUntil: k.GetValidUntilCommit(), Attempt: k.GetAttempt(),
		Generation: newKeyGenerationForm(m.GetGeneration()), Watermarks: newWatermarksJSON(m.GetWatermarks()),
	}
	for _, share := range k.GetPublicShares() {
		j.PublicShares = append(j.PublicShares, share)
	}
	for _, o := range k.GetOrigins() {
		j.Origins = append(j.Origins, keyOriginJSON{Dealer: o.GetDealer(), Commit: o.GetCommit(), Digest: o.GetDigest(), Deal: o.GetDeal()})
	}
	return j
}

// verdictName is a verdict as the JSON forms write it; nothing for none.
func verdictName(v pb.Verdict) string {
	if v == pb.Verdict_VERDICT_UNSPECIFIED {
		return ""
	}
	return strings.TrimPrefix(v.String(), "VERDICT_")
}

// RevealProgress is what the opening of a commit waits for, in the JSON forms.
type RevealProgress struct {
	Text    string   `json:"text"`
	Shares  uint32   `json:"shares"`
	Needed  uint32   `json:"needed"`
	Missing []string `json:"missing"`
}

func newRevealForm(m *pb.RevealProgress) *RevealProgress {
	if m == nil {
		return nil
	}
	return &RevealProgress{m.GetText(), m.GetShares(), m.GetNeeded(), append([]string{}, m.GetMissing()...)}
}
