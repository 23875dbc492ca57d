package crypto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Limits of key files.
const (
	// KeyFileVersion is the only version of key files so far.
	KeyFileVersion = 1
	// KeyFileMode is the only permission with which a key file is read: others must not see it.
	KeyFileMode fs.FileMode = 0o600
	// MaxKeyFileBytes bounds what is read; a key file takes about 1,000 bytes.
	MaxKeyFileBytes = 16 << 10
)

// ErrKeyFile wraps everything that can be wrong with a key file, except that it is missing or
// cannot be read (those are errors of package os).
var ErrKeyFile = errors.New("unusable key file")

// Keys are the secret keys of one validator. They are immutable and safe for concurrent use.
type Keys struct {
	Identity *IdentityKey
	KEM      *KEMKey
	BLS      *BLSKey
}

// GenerateKeys draws new keys from random, which must be crypto/rand.Reader but in tests.
func GenerateKeys(random io.Reader) (*Keys, error) {
	identity, err := GenerateIdentityKey(random)
	if err != nil {
		return nil, err
	}
	kem, err := GenerateKEMKey(random)
	if err != nil {
		return nil, err
	}
	bls, err := GenerateBLSKey(random)
	if err != nil {
		return nil, err
	}
	return &Keys{Identity: identity, KEM: kem, BLS: bls}, nil
}

// Public is what others need to know of k, with fresh proofs (the same each time).
func (k *Keys) Public() PublicKeys {
	identity := k.Identity.Public()
	return PublicKeys{
		Identity: identity,
		KEM:      k.KEM.Public(), KEMProof: k.KEM.Prove(identity),
		BLS: k.BLS.Public(), BLSProof: k.BLS.Prove(identity),
	}
}

// secretText is a secret of 32 bytes, hex in JSON.
type secretText [32]byte

func (s secretText) MarshalText() ([]byte, error) { return encodeHex(s[:]), nil }

func (s *secretText) UnmarshalText(text []byte) error { return decodeHex(s[:], text, "secret") }

// keyFile is the JSON of a key file.
type keyFile struct {
	Version      int        `json:"version"`
	IdentitySeed secretText `json:"identity_seed"`
	KEMSecret    secretText `json:"kem_secret"`
	BLSSecret    secretText `json:"bls_secret"`
	Public       PublicKeys `json:"public"` // for humans and genesis; must fit the secrets
}

func encodeKeyFile(keys *Keys) []byte {
	file := keyFile{
		Version:      KeyFileVersion,
		IdentitySeed: secretText(keys.Identity.Seed()),
		KEMSecret:    secretText(keys.KEM.Secret()),
		BLSSecret:    secretText(keys.BLS.Secret()),
		Public:       keys.Public(),
	}
	raw, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic("crypto: key file does not encode: " + err.Error())
	}
	return append(raw, '\n')
}

// decodeKeyFile reads what encodeKeyFile wrote. Errors wrap ErrKeyFile and hold no secret.
func decodeKeyFile(raw []byte) (*Keys, error) {
	if len(raw) > MaxKeyFileBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrKeyFile, MaxKeyFileBytes)
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &version); err != nil {
		return nil, fmt.Errorf("%w: no JSON of a key file: restore it from a backup", ErrKeyFile)
	}
	if version.Version != KeyFileVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads version %d", ErrKeyFile, version.Version, KeyFileVersion)
	}
	var file keyFile
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return file.keys()
}

// keys derives the keys and holds them against the public part, which finds a damaged secret.
func (f *keyFile) keys() (*Keys, error) {
	identity, err := NewIdentityKey(f.IdentitySeed[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	kem, err := NewKEMKey(f.KEMSecret[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	bls, err := NewBLSKey(f.BLSSecret[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	keys := &Keys{Identity: identity, KEM: kem, BLS: bls}
	if keys.Public() != f.Public {
		return nil, fmt.Errorf("%w: secrets and public keys do not belong together: restore it from a backup", ErrKeyFile)
	}
	return keys, nil
}

// WriteKeyFile writes keys to a new file that only its owner can read. It returns when the file is
// on disk under its name with all of its content; a crash before leaves no file of that name.
// An existing file is never overwritten (fs.ErrExist). Blocks on the disk.
func WriteKeyFile(path string, keys *Keys) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(temp.Name())) }()
	_, err = temp.Write(encodeKeyFile(keys))
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	// A link, unlike a rename, fails where the name is taken.
	if err := os.Link(temp.Name(), path); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return syncDirectory(dir)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// ReadKeyFile reads what WriteKeyFile wrote. It refuses files that others than the owner may open,
// and files whose secrets and public keys do not belong together. Errors wrap ErrKeyFile or come
// from package os, and hold no secret.
func ReadKeyFile(path string) (*Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read key file %s: %w: not a regular file", path, ErrKeyFile)
	}
	if info.Mode().Perm()&^KeyFileMode != 0 {
		return nil, fmt.Errorf("read key file %s: %w: permissions %04o let others in; type: chmod 600 %s",
			path, ErrKeyFile, info.Mode().Perm(), path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, MaxKeyFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	keys, err := decodeKeyFile(raw)
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	return keys, nil
}
