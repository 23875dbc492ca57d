package certify

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/bls"
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/dunlin-network/dunlin/crypto"
)

// A partial signature is circl's signature with the share as secret.
func TestPartialIsABLSSignature(t *testing.T) {
	c := newCommittee(t, 4)
	message := crypto.Digest{9}
	for k, partial := range c.sign(t, message, 0, 1, 2, 3) {
		private := new(bls.PrivateKey[bls.KeyG2SigG1])
		if err := private.UnmarshalBinary(c.shares[k]); err != nil {
			t.Fatal(err)
		}
		if want := bls.Sign(private, message[:]); !bytes.Equal(want, partial.Signature[:]) {
			t.Errorf("member %d signs %s, another library %x", k, partial.Signature, want)
		}
	}
}

// Round 1000 of drand's quicknet, which signs the hash of its number.
func TestQuicknet(t *testing.T) {
	var key PublicKey
	var signature Signature
	for _, p := range []struct {
		out []byte
		hex string
	}{
		{key[:], "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"},
		{signature[:], "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"},
	} {
		b, err := hex.DecodeString(p.hex)
		if err != nil || len(b) != len(p.out) {
			t.Fatal(len(b), err)
		}
		copy(p.out, b)
	}
	message := sha256Of(binary.BigEndian.AppendUint64(nil, 1000))
	if err := key.Verify(message, signature); err != nil {
		t.Fatal(err)
	}
	message[0] ^= 1
	if err := key.Verify(message, signature); !errors.Is(err, ErrSignature) {
		t.Errorf("another message: %v", err)
	}
}

// The generators as EIP-2537 writes them.
func TestEVMEncoding(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	wantG1 := zeros + "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb" +
		zeros + "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
	wantG2 := zeros + "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8" +
		zeros + "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e" +
		zeros + "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801" +
		zeros + "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
	_, _, one, two := fast.Generators()
	g1, err := Signature(one.Bytes()).EVM()
	if err != nil || hex.EncodeToString(g1[:]) != wantG1 {
		t.Errorf("G1: %x, %v", g1, err)
	}
	g2, err := PublicKey(two.Bytes()).EVM()
	if err != nil || hex.EncodeToString(g2[:]) != wantG2 {
		t.Errorf("G2: %x, %v", g2, err)
	}
	if _, err := (Signature{}).EVM(); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	if _, err := (PublicKey{}).EVM(); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
}
