package rollupapi

import (
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// CertificateJSON is the answer to GET /v1/commits/{index}/certificate. Bytes are 0x-hex.
type CertificateJSON struct {
	Certificate certificateJSON `json:"certificate"`
	Headers     []hexBytes      `json:"headers"`
	More        bool            `json:"more"`
	Watermarks  watermarksJSON  `json:"watermarks"`
}

type certificateJSON struct {
	NetworkID string   `json:"network_id"`
	Commit    uint64   `json:"commit"`
	Digest    hexBytes `json:"digest"`
	Epoch     uint64   `json:"epoch"`
	KeyID     uint64   `json:"key_id"`
	Message   hexBytes `json:"message"`
	Signature hexBytes `json:"signature"`
}

// NewCertificateJSON is the JSON form of m.
func NewCertificateJSON(m *pb.GetCertificateResponse) CertificateJSON {
	c := m.GetCertificate()
	out := CertificateJSON{
		Certificate: certificateJSON{
			NetworkID: c.GetNetworkId(), Commit: c.GetCommit(), Digest: c.GetDigest(), Epoch: c.GetEpoch(), KeyID: c.GetKeyId(),
			Message: c.GetMessage(), Signature: c.GetSignature(),
		},
		More: m.GetMore(), Watermarks: newWatermarksJSON(m.GetWatermarks()),
	}
	for _, h := range m.GetHeaders() {
		out.Headers = append(out.Headers, h)
	}
	return out
}

// Message is what the form was made of, without the watermarks.
func (j *CertificateJSON) Message() *pb.GetCertificateResponse {
	c := &j.Certificate
	m := &pb.GetCertificateResponse{
		Certificate: &pb.Certificate{
			NetworkId: c.NetworkID, Commit: c.Commit, Digest: c.Digest, Epoch: c.Epoch, KeyId: c.KeyID, Message: c.Message, Signature: c.Signature,
		},
		More: j.More,
	}
	for _, h := range j.Headers {
		m.Headers = append(m.Headers, h)
	}
	return m
}

// LightUpdateJSON is the answer to GET /v1/light-update. Bytes are 0x-hex.
type LightUpdateJSON struct {
	Keys       []certificateKeyJSON `json:"keys"`
	More       bool                 `json:"more"` // ask on with from_key and from_origin
	Generation KeyGeneration        `json:"generation"`
	Watermarks watermarksJSON       `json:"watermarks"`
}

type certificateKeyJSON struct {
	Scheme     string          `json:"scheme"`
	NetworkID  string          `json:"network_id"`
	Epoch      uint64          `json:"epoch"`
	KeyID      uint64          `json:"key_id"`
	Key        hexBytes        `json:"key"`
	Threshold  uint32          `json:"threshold"`
	Validators uint32          `json:"validators"`
	ValidFrom  uint64          `json:"valid_from_commit"`
	ValidUntil uint64          `json:"valid_until_commit"`
	Attempt    uint32          `json:"attempt"`
	Origins    []keyOriginJSON `json:"origins"`
}

// NewLightUpdateJSON is the JSON form of m.
func NewLightUpdateJSON(m *pb.LightUpdateResponse) LightUpdateJSON {
	out := LightUpdateJSON{
		Keys: []certificateKeyJSON{}, More: m.GetMore(), Generation: newKeyGenerationForm(m.GetGeneration()), Watermarks: newWatermarksJSON(m.GetWatermarks()),
	}
	for _, k := range m.GetKeys() {
		j := certificateKeyJSON{
			Scheme: k.GetScheme(), NetworkID: k.GetNetworkId(), Epoch: k.GetEpoch(), KeyID: k.GetKeyId(), Key: k.GetKey(),
			Threshold: k.GetThreshold(), Validators: k.GetValidators(), ValidFrom: k.GetValidFromCommit(),
			ValidUntil: k.GetValidUntilCommit(), Attempt: k.GetAttempt(),
		}
		for _, o := range k.GetOrigins() {
			j.Origins = append(j.Origins, keyOriginJSON{Dealer: o.GetDealer(), Commit: o.GetCommit(), Digest: o.GetDigest(), Deal: o.GetDeal(), Block: o.GetBlock()})
		}
		out.Keys = append(out.Keys, j)
	}
	return out
}

// Message is what the form was made of, without the watermarks and the generation.
func (j *LightUpdateJSON) Message() *pb.LightUpdateResponse {
	m := &pb.LightUpdateResponse{More: j.More}
	for i := range j.Keys {
		k := &j.Keys[i]
		key := &pb.CertificateKey{
			Scheme: k.Scheme, NetworkId: k.NetworkID, Epoch: k.Epoch, KeyId: k.KeyID, Key: k.Key, Threshold: k.Threshold,
			Validators: k.Validators, ValidFromCommit: k.ValidFrom, ValidUntilCommit: k.ValidUntil, Attempt: k.Attempt,
		}
		for _, o := range k.Origins {
			key.Origins = append(key.Origins, &pb.KeyOrigin{Dealer: o.Dealer, Commit: o.Commit, Digest: o.Digest, Deal: o.Deal, Block: o.Block})
		}
		m.Keys = append(m.Keys, key)
	}
	return m
}
