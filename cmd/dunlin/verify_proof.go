package main

import (
	"encoding/json"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
	"github.com/dunlin-network/dunlin/rollupapi/receipt"
)

// proof checks a proof document, and whether a certificate covers its header.
func (v *verifier) proof(a *savedAnswer) error {
	d, err := proof.DecodeDocument(a.raw)
	if err != nil {
		return refused(fmt.Errorf("%s: %w", a.path, err), "save the answer again, as it is")
	}
	if d.NetworkID != v.committee.Network() {
		return refused(fmt.Errorf("%s is of network %s, the genesis file of %s", a.path, d.NetworkID, v.committee.Network()), "give --genesis the file of that network, or ask a node of this one")
	}
	shown, err := d.Verify()
	if err != nil {
		return refused(fmt.Errorf("%s: %w", a.path, err), "ask another node: what this one shows does not hold")
	}
	index := shown.Header.Index
	by, ok := v.certified[index]
	switch {
	case !ok:
		return withHint(fmt.Errorf("%s holds under the header %s of commit %d, which no certificate among the files covers", a.path, shown.Digest, index),
			"give the certificate too, with the keys: curl -s $NODE/v1/commits/%d/certificate > certificate.json; curl -s $NODE/v1/light-update > keys.json", index)
	case by.digest != shown.Digest:
		return refused(fmt.Errorf("%s: its header of commit %d has digest %s, the certified one %s", a.path, index, shown.Digest, by.digest),
			"do not use the node that showed this: the commit is made up")
	}
	for _, claim := range shown.Claims {
		fmt.Fprintf(v.out, "%s: %s: proven under certificate of commit %d\n", a.path, claim, by.commit)
	}
	return nil
}

// taken is an answer to a submission, as far as a receipt speaks of it.
type taken struct {
	ID    *crypto.Digest `json:"tx_id"`
	Items []struct {
		ID    crypto.Digest `json:"tx_id"`
		State string        `json:"state"`
	} `json:"items"`
	Receipt receipt.Receipt `json:"receipt"`
}

// receipt checks a receipt against the ids that stand beside it.
func (v *verifier) receipt(a *savedAnswer) error {
	var t taken
	if err := json.Unmarshal(a.raw, &t); err != nil {
		return refused(fmt.Errorf("%s: %w", a.path, err), "save the answer again, as it is")
	}
	var ids []crypto.Digest
	if t.ID != nil {
		ids = append(ids, *t.ID)
	}
	for _, item := range t.Items {
		if item.State != "REJECTED" { // a receipt covers what was not refused
			ids = append(ids, item.ID)
		}
	}
	if err := t.Receipt.Verify(v.committee.Network(), ids); err != nil {
		return refused(fmt.Errorf("%s does not hold: %w", a.path, err), "save the whole answer to the submission, with its transactions; if it is whole, the node did not sign that")
	}
	who := "node " + t.Receipt.Node.String() + ", no validator"
	if name, ok := v.names[t.Receipt.Node]; ok {
		who = "validator " + name
	}
	fmt.Fprintf(v.out, "%s: %s took %s when it had come to round %d\n", a.path, who, counted(len(ids), "transaction"), t.Receipt.SeenRound)
	return nil
}
