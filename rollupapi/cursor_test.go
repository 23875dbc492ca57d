package rollupapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// testPosition is a place in the middle of a commit.
var testPosition = position{42, 7, crypto.Digest(bytes.Repeat([]byte{9}, crypto.DigestSize))}

var testNetwork = crypto.Hash(crypto.DomainGenesis, []byte("cursor"))

// TestCursorText holds the text of one cursor, which programs have stored: it must not change.
func TestCursorText(t *testing.T) {
	network := crypto.Digest{1, 2, 3, 4, 5, 6, 7, 8, 9}
	const want = "AgECAwQFBgcIAQAAAAAAAAPpAAAAAAAAACoAAAAHCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"
	if got := encodeCursor(network, scope{1001}, testPosition); got != want {
		t.Errorf("cursor %s, want %s", got, want)
	}
}

func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		namespaces := rapid.SliceOfN(rapid.Uint64Min(1), 0, 3).Draw(t, "namespaces")
		var asked []dag.Namespace
		for _, ns := range namespaces {
			asked = append(asked, dag.Namespace(ns))
		}
		s, err := newScope(asked)
		if err != nil {
			t.Fatal(err)
		}
		at := position{dag.CommitIndex(rapid.Uint64Range(1, math.MaxInt64).Draw(t, "commit")), rapid.Uint32().Draw(t, "index"), crypto.Hash("test/hash", []byte{rapid.Byte().Draw(t, "hash")})}
		text := encodeCursor(testNetwork, s, at)
		back, kind, err := parseCursor(testNetwork, s, text, 0)
		if err != nil || back != at || (kind == cursorOne) != (len(s) == 1) {
			t.Fatalf("%v came back as %v, %v", at, back, err)
		}
	})
}

func TestCursorParse(t *testing.T) {
	one, other, several, all := scope{1001}, scope{1002}, scope{1001, 1002}, scope(nil)
	otherNetwork := crypto.Hash(crypto.DomainGenesis, []byte("another"))
	at := testPosition
	changed := func(i int, to byte) string {
		raw, err := base64.RawURLEncoding.DecodeString(encodeCursor(testNetwork, all, at))
		if err != nil {
			t.Fatal(err)
		}
		raw[i] = to
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	for _, test := range []struct {
		name, text string
		scope      scope
		want       position
		reason     Reason
	}{
		{"genesis", "genesis", one, after(0), ""},
		{"tip", "tip", one, after(99), ""},
		{"commit", "commit:5", all, after(5), ""},
		{"commit without number", "commit:", all, position{}, ReasonCursorMalformed},
		{"commit below 0", "commit:-1", all, position{}, ReasonCursorMalformed},
		{"commit too large", "commit:9223372036854775808", all, position{}, ReasonCursorMalformed},
		{"all for one", encodeCursor(testNetwork, all, at), one, at, ""},
		{"several for one", encodeCursor(testNetwork, several, at), one, at, ""},
		{"one for itself", encodeCursor(testNetwork, one, at), one, at, ""},
		{"one for another", encodeCursor(testNetwork, one, at), other, position{}, ReasonCursorScope},
		{"one for several", encodeCursor(testNetwork, one, at), several, position{}, ReasonCursorScope},
		{"one for all", encodeCursor(testNetwork, one, at), all, position{}, ReasonCursorScope},
		{"another network", encodeCursor(otherNetwork, all, at), all, position{}, ReasonCursorForeign},
		{"version 1", changed(0, 1), all, position{}, ReasonCursorMalformed},
		{"scope 2", changed(9, 2), all, position{}, ReasonCursorMalformed},
		{"namespace without scope", changed(17, 1), all, position{}, ReasonCursorMalformed},
		{"commit beyond all", changed(18, 0xff), all, position{}, ReasonCursorMalformed},
		{"item of no commit", encodeCursor(testNetwork, all, position{commit: 0, index: 3}), all, position{}, ReasonCursorMalformed},
		{"short", encodeCursor(testNetwork, all, at)[:36], all, position{}, ReasonCursorMalformed},
		{"padded", encodeCursor(testNetwork, all, at) + "=", all, position{}, ReasonCursorMalformed},
		{"long", strings.Repeat("A", maxCursorBytes+1), all, position{}, ReasonCursorMalformed},
		{"word", "yesterday", all, position{}, ReasonCursorMalformed},
		{"nothing", "", all, position{}, ReasonCursorMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := parseCursor(testNetwork, test.scope, test.text, 99)
			var refused *Refusal
			switch {
			case test.reason == "" && (err != nil || got != test.want):
				t.Errorf("%v, %v, want %v", got, err, test.want)
			case test.reason != "" && (!errors.As(err, &refused) || refused.Reason != test.reason):
				t.Errorf("%v, want %s", err, test.reason)
			}
		})
	}
}

// FuzzCursor: no text panics, and a cursor that is read has one text.
func FuzzCursor(f *testing.F) {
	f.Add("genesis")
	f.Add("commit:17")
	f.Add(encodeCursor(testNetwork, scope{1001}, testPosition))
	f.Add(encodeCursor(testNetwork, nil, after(42)))
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range []scope{nil, {1001}} {
			at, _, err := parseCursor(testNetwork, s, text, 99)
			if err != nil {
				var refused *Refusal
				if !errors.As(err, &refused) {
					t.Fatalf("%q: %v is no refusal", text, err)
				}
				continue
			}
			if text == cursorTip || text == cursorGenesis || strings.HasPrefix(text, cursorCommit) {
				continue
			}
			one, all := encodeCursor(testNetwork, scope{1001}, at), encodeCursor(testNetwork, nil, at)
			if text != one && text != all {
				t.Fatalf("%q is read as %v, which is written %q or %q", text, at, one, all)
			}
		}
	})
}
