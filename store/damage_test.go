package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamageIsNamed harms the log in every way that a crash does not.
func TestDamageIsNamed(t *testing.T) {
	w := newNetwork(t)
	base := w.options(t.TempDir() + "/data")
	s, _ := w.create(base)
	w.feed(s, 30, 4, 30_000) // about 14 MiB: four segments
	check(t, s.Close())
	sequences, err := listSegments(base.logDir())
	check(t, err)
	if len(sequences) < 3 {
		t.Fatalf("segments %v, want at least 3", sequences)
	}
	at := func(o Options, i int) string { return segmentPath(o.logDir(), sequences[i]) }
	flip := func(i int, offset int64) func(Options) error {
		return func(o Options) error { return flipBit(at(o, i), offset) }
	}
	n := len(sequences)
	for name, harm := range map[string]func(Options) error{
		"header":                   flip(0, 20),
		"middle of the first":      flip(0, 1<<20),
		"middle of one between":    flip(1, 1<<20),
		"middle of the last":       flip(n-1, 10_000),
		"first record of the last": flip(n-1, segmentHeader+2),
		"segment missing":          func(o Options) error { return os.Remove(at(o, n-2)) },
		"newest segment missing":   func(o Options) error { return os.Remove(at(o, n-1)) },
		"last record gone":         func(o Options) error { return dropLastRecord(o, at(o, n-1)) },
		"last record gone, not closed": func(o Options) error {
			return errors.Join(dropLastRecord(o, at(o, n-1)), os.Remove(filepath.Join(o.logDir(), markName)))
		},
		"segment cut short":          func(o Options) error { return os.Truncate(at(o, n-2), 2<<20) },
		"segment without records":    func(o Options) error { return os.Truncate(at(o, n-2), segmentHeader) },
		"segment under another name": func(o Options) error { return os.Rename(at(o, 0), segmentPath(o.logDir(), 99)) },
		"strange name":               func(o Options) error { return os.Rename(at(o, 0), filepath.Join(o.logDir(), "7.seg")) },
		"another author": func(o Options) error {
			return rewriteHeader(at(o, 0), func(h *header) { h.author = 2 })
		},
		"another network": func(o Options) error {
			return rewriteHeader(at(o, 0), func(h *header) { h.network[0] ^= 1 })
		},
		"another log's segment": func(o Options) error {
			return rewriteHeader(at(o, n-1), func(h *header) { h.chain[0] ^= 1 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := base
			o.Dir = duplicate(t, base.Dir)
			check(t, harm(o))
			_, _, err := Open(o)
			var damage *CorruptError
			if !errors.Is(err, ErrCorrupt) || !errors.As(err, &damage) || !strings.HasPrefix(damage.File, o.logDir()) || damage.Next == "" {
				t.Fatalf("Open: %v, want a *CorruptError about the log", err)
			}
			o.OnDamage = SetDamageAside
			again, r := w.open(o)
			if r.Log != LogDamaged || r.Report.Damage == nil {
				t.Fatalf("log %v, report %+v", r.Log, r.Report)
			}
			if _, err := os.Stat(filepath.Join(r.Report.SetAside)); err != nil {
				t.Fatal(err)
			}
			check(t, again.Close())
			if _, r = w.open(o); r.Log != LogDamaged {
				t.Fatalf("opened again before an own block: log %v, want damaged", r.Log)
			}
		})
	}
}

func flipBit(path string, offset int64) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[offset] ^= 4
	return os.WriteFile(path, raw, 0o600)
}

func rewriteHeader(path string, change func(*header)) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	h, err := decodeHeader(raw)
	if err != nil {
		return err
	}
	change(&h)
	copy(raw, h.encode())
	return os.WriteFile(path, raw, 0o600)
}

// dropLastRecord writes zeros from the newest own block on: as if it had never been written.
func dropLastRecord(o Options, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	h, err := decodeHeader(raw)
	if err != nil {
		return err
	}
	at, next := 0, segmentHeader
	_, err = scanRecords(raw, segmentHeader, h.seed(), func(r record) error {
		if r.ref().Author == o.Self {
			at = next
		}
		next += r.size()
		return nil
	})
	if err != nil || at == 0 {
		return errors.Join(err, errors.New("no own block in the segment"))
	}
	clear(raw[at:])
	return os.WriteFile(path, raw, 0o600)
}

// TestDamagedSnapshotIsNamed: where what is damaged is a snapshot that is being written, nothing has to be set aside.
func TestDamagedSnapshotIsNamed(t *testing.T) {
	o := Options{Dir: "/somewhere/data"}
	for dir, want := range map[string]string{o.joiningDir(): "dunlin run --home /somewhere", o.badgerDir(): "mv /somewhere/data/badger"} {
		var damage *CorruptError
		if err := corruptBadger(dir, "it is damaged"); !errors.As(err, &damage) || !strings.HasPrefix(damage.Next, want) {
			t.Errorf("%v: want next %q", err, want)
		}
	}
}
