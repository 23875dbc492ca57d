package rollupapi_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

func TestBundles(t *testing.T) {
	c := apitest.New(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{9}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public()
	leg := func(ns dag.Namespace, payload []byte) dag.Leg { return dag.Leg{Namespace: ns, Payload: payload} }
	eth := leg(apitest.Ethereum, ethTx(t, 1001, 0))
	signed := func(legs ...dag.Leg) dag.Bundle {
		b := dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: 9, Legs: legs, Sender: public[:]}
		signature := key.Sign(crypto.DomainTxSignature, b.SigningDigest(c.Committee.Network()))
		b.Signature = signature[:]
		return b
	}
	unsigned := func(legs ...dag.Leg) dag.Bundle { return dag.Bundle{Mode: dag.ModeInclusion, Legs: legs} }
	forged := signed(eth)
	forged.Legs = append(forged.Legs, eth)
	short := signed(eth)
	short.Signature = short.Signature[:5]
	big := leg(apitest.Open, make([]byte, dag.MaxTransactionBytes/2+1))
	for _, test := range []struct {
		name string
		b    dag.Bundle
		want rollupapi.Reason
	}{
		{"unsigned", unsigned(eth, leg(apitest.Open, []byte("x"))), ""},
		{"signed", signed(eth, leg(apitest.Signed, []byte("x"))), ""},
		{"a leg that wants a signature", unsigned(leg(apitest.Signed, []byte("x"))), rollupapi.ReasonSignatureMissing},
		{"forged", forged, rollupapi.ReasonSignatureInvalid},
		{"short signature", short, rollupapi.ReasonSignatureInvalid},
		{"no leg", unsigned(), rollupapi.ReasonBundleMalformed},
		{"too many legs", unsigned(make([]dag.Leg, dag.MaxBundleLegs+1)...), rollupapi.ReasonBundleMalformed},
		{"empty leg", unsigned(leg(apitest.Open, nil)), rollupapi.ReasonPayloadEmpty},
		{"too large in all", unsigned(big, big), rollupapi.ReasonTooLarge},
		{"unknown namespace", unsigned(leg(5, []byte("x"))), rollupapi.ReasonNamespaceUnknown},
		{"no Ethereum transaction", unsigned(leg(apitest.Ethereum, []byte("x"))), rollupapi.ReasonTransactionMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			item, err := admission.Bundle(context.Background(), 0, &test.b)
			var refused *rollupapi.Refusal
			switch {
			case test.want == "" && (err != nil || item.Kind != dag.KindBundle || len(item.Bundle().Legs) != len(test.b.Legs)):
				t.Errorf("%v, %v", item.Kind, err)
			case test.want != "" && (!errors.As(err, &refused) || refused.Reason != test.want):
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}
