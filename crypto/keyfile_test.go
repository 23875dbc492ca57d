package crypto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeTestKeys(t *testing.T) (path string, keys *Keys) {
	t.Helper()
	path, keys = filepath.Join(t.TempDir(), "keys.json"), testKeys(t, 1)
	if err := WriteKeyFile(path, keys); err != nil {
		t.Fatal(err)
	}
	return path, keys
}

func sameKeys(a, b *Keys) bool {
	return bytes.Equal(a.Identity.Seed(), b.Identity.Seed()) && bytes.Equal(a.KEM.Secret(), b.KEM.Secret()) &&
		bytes.Equal(a.BLS.Secret(), b.BLS.Secret()) && a.Public() == b.Public()
}

func TestKeyFileRoundTrip(t *testing.T) {
	path, keys := writeTestKeys(t)
	back, err := ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !sameKeys(keys, back) {
		t.Error("other keys came back")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, error %v, want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v (%v), want the key file alone", entries, err)
	}
}

func TestKeyFileIsReadableAsJSON(t *testing.T) {
	path, keys := writeTestKeys(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version int
		Public  PublicKeys
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys.Public(), got.Public); diff != "" || got.Version != 1 {
		t.Errorf("version %d, public part %s", got.Version, diff)
	}
}

func TestGeneratedKeys(t *testing.T) {
	keys, err := GenerateKeys(&counting{})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Public().Verify(); err != nil {
		t.Error(err)
	}
	other, err := GenerateKeys(&counting{next: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := keys.Public(), other.Public(); a.Identity == b.Identity || a.KEM == b.KEM || a.BLS == b.BLS {
		t.Error("other randomness, same keys")
	}
	for n := range SeedSize + 64 + BLSSecretSize {
		if _, err := GenerateKeys(bytes.NewReader(bytes.Repeat([]byte{1}, n))); err == nil {
			t.Fatalf("keys drawn from %d bytes", n)
		}
	}
}

func TestKeyFileIsNotOverwritten(t *testing.T) {
	path, keys := writeTestKeys(t)
	if err := WriteKeyFile(path, testKeys(t, 2)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second write: %v, want %v", err, fs.ErrExist)
	}
	back, err := ReadKeyFile(path)
	if err != nil || !sameKeys(keys, back) {
		t.Errorf("the first keys are gone, error %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v (%v) after a refused write", entries, err)
	}
}

func TestKeyFileErrorsOfTheSystem(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none", "keys.json")
	if _, err := ReadKeyFile(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of a missing file: %v", err)
	}
	if err := WriteKeyFile(missing, testKeys(t, 1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("write into a missing directory: %v", err)
	}
	if _, err := ReadKeyFile(t.TempDir()); !errors.Is(err, ErrKeyFile) {
		t.Errorf("read of a directory: %v", err)
	}
}

func TestKeyFilePermissions(t *testing.T) {
	path, _ := writeTestKeys(t)
	for mode := range fs.FileMode(0o1000) {
		if mode&0o400 == 0 {
			continue // the owner could not read it
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadKeyFile(path)
		if tight := mode == 0o600 || mode == 0o400; tight != (err == nil) {
			t.Errorf("mode %04o: error %v", mode, err)
		}
		if err != nil && (!errors.Is(err, ErrKeyFile) || !strings.HasSuffix(err.Error(), "type: chmod 600 "+path)) {
			t.Errorf("mode %04o: error %q does not say what to type", mode, err)
		}
	}
}

func TestKeyFileCorruption(t *testing.T) {
	good, keys := encodeKeyFile(testKeys(t, 1)), testKeys(t, 1)
	seed, kem, bls := fmt.Sprintf("%x", keys.Identity.Seed()), fmt.Sprintf("%x", keys.KEM.Secret()), fmt.Sprintf("%x", keys.BLS.Secret())
	replace := func(old, with string) []byte {
		out := bytes.Replace(good, []byte(old), []byte(with), 1)
		if bytes.Equal(out, good) {
			t.Fatalf("key file holds no %q", old)
		}
		return out
	}
	for _, c := range []struct {
		name, want string
		raw        []byte
	}{
		{"empty", "restore it from a backup", nil},
		{"no JSON", "restore it from a backup", []byte("secret")},
		{"cut short", "restore it from a backup", good[:len(good)/2]},
		{"too long", "more than 16384 bytes", append(bytes.Repeat([]byte(" "), MaxKeyFileBytes), good...)},
		{"version 0", "version 0", replace(`"version": 1`, `"version": 0`)},
		{"version 2", "version 2, this program reads version 1", replace(`"version": 1`, `"version": 2`)},
		{"unknown field", "unknown field", replace(`"version": 1`, `"version": 1, "other": 2`)},
		{"second value", "restore it from a backup", append(bytes.Clone(good), "{}"...)},
		{"short seed", "62 characters, want 64", replace(seed, seed[2:])},
		{"long kem secret", "66 characters, want 64", replace(kem, kem+"00")},
		{"short bls secret", "63 characters, want 64", replace(bls, bls[1:])},
		{"upper case", "want lower-case hex", replace(bls, "AA"+bls[2:])},
		{"zero kem secret", "secret is zero", replace(kem, strings.Repeat("0", 64))},
		{"zero bls secret", "bls key", replace(bls, strings.Repeat("0", 64))},
		{"large kem secret", "kem key", replace(kem, strings.Repeat("f", 64))},
		{"seed of another", "do not belong together", replace(seed, strings.Repeat("7", 64))},
		{"kem secret of another", "do not belong together", replace(kem, "01"+strings.Repeat("0", 62))},
		{"bls secret of another", "do not belong together", replace(bls, strings.Repeat("0", 62)+"01")},
		{"no seed", "do not belong together", replace(`"identity_seed": "`+seed+`",`, "")},
	} {
		_, err := decodeKeyFile(c.raw)
		if !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
			continue
		}
		for _, secret := range []string{seed, kem, bls} {
			if strings.Contains(err.Error(), secret[:8]) {
				t.Errorf("%s: error tells a secret", c.name)
			}
		}
	}
}

// TestKeyFileMutations changes one digit of each secret and public part at every place.
func TestKeyFileMutations(t *testing.T) {
	good := encodeKeyFile(testKeys(t, 1))
	for i, c := range good {
		if !strings.ContainsRune("0123456789", rune(c)) {
			continue
		}
		bad := bytes.Clone(good)
		bad[i] = '0' + (c-'0'+1)%10
		if _, err := decodeKeyFile(bad); !errors.Is(err, ErrKeyFile) {
			t.Fatalf("digit at %d changed: error %v", i, err)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	good := encodeKeyFile(testKeys(f, 1))
	f.Add(good)
	f.Add(encodeKeyFile(testKeys(f, 2)))
	f.Add(bytes.Replace(good, []byte("1"), []byte("2"), 1))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := decodeKeyFile(raw)
		if err != nil {
			if !errors.Is(err, ErrKeyFile) {
				t.Fatalf("error %v does not wrap ErrKeyFile", err)
			}
			return
		}
		again, err := decodeKeyFile(encodeKeyFile(keys))
		if err != nil || !sameKeys(keys, again) {
			t.Fatalf("written and read again: error %v", err)
		}
	})
}
