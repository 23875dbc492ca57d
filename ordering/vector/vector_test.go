package vector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecodeRefuses(t *testing.T) {
	const block = `{"id":"A1","round":1,"author":0,"refs":["A0"]}`
	whole := func(n, anchors, blocks, steps, linearize string) string {
		return `{"input":{"n":` + n + `,"anchors":{` + anchors + `},"blocks":[` + blocks + `],"steps":[` + steps + `],"linearize":[` + linearize + `]}}`
	}
	if _, err := Decode([]byte(whole("4", `"1":[3,0]`, block, `{"blocks":1}`, ``))); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, text, want string }{
		{"no JSON", "{", "unexpected EOF"},
		{"no validators", whole("0", "", "", "", ""), "0 validators"},
		{"too many validators", whole("257", "", "", "", ""), "257 validators"},
		{"anchor of a stranger", whole("4", `"1":[4]`, "", "", ""), "author 4 is unknown"},
		{"anchor twice", whole("4", `"1":[1,1]`, "", "", ""), "author 1 is unknown or named twice"},
		{"anchors of no round", whole("4", `"x":[1]`, "", "", ""), `anchors of round "x"`},
		{"same id", whole("4", "", block+","+block, "", ""), "stands there twice"},
		{"round 0", whole("4", "", `{"id":"x","round":0,"author":0}`, "", ""), "round 0 of author 0"},
		{"far round", whole("4", "", `{"id":"x","round":1048577,"author":0}`, "", ""), "round 1048577"},
		{"block of a stranger", whole("4", "", `{"id":"x","round":1,"author":4}`, "", ""), "round 1 of author 4"},
		{"unknown reference", whole("4", "", `{"id":"x","round":1,"author":0,"refs":["E0"]}`, "", ""), `reference "E0"`},
		{"more blocks than there are", whole("4", "", block, `{"blocks":2}`, ""), "first 2 of 1 blocks"},
		{"fewer than none", whole("4", "", block, `{"blocks":-1}`, ""), "first -1"},
		{"slot of a stranger", whole("4", "", block, `{"slots":[{"round":1,"author":4,"ask":"direct"}]}`, ""), "author 4"},
		{"unknown question", whole("4", "", block, `{"slots":[{"round":1,"author":0,"ask":"why"}]}`, ""), `question "why"`},
		{"indirect without anchor", whole("4", "", block, `{"slots":[{"round":1,"author":0,"ask":"indirect"}]}`, ""), `anchor ""`},
		{"indirect from what is not known yet", whole("4", "", block, `{"blocks":0,"slots":[{"round":1,"author":0,"ask":"indirect","anchor":"A1"}]}`, ""), `anchor "A1"`},
		{"linearize the unknown", whole("4", "", block, "", `{"lead`+`ers":["B1"]}`), `no block "B1"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Decode([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// FuzzDecode wants an answer or an error of whatever decodes.
func FuzzDecode(f *testing.F) {
	paths, _ := filepath.Glob("../testdata/vectors/[dl]*.json")
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<13 {
			t.Skip("the rest is repetition")
		}
		v, err := Decode(raw)
		if err != nil {
			return
		}
		for _, s := range v.Steps {
			if s.Last.Round > 1000 {
				t.Skip("walks round by round")
			}
		}
		for _, b := range v.Blocks {
			if b.Round > 1000 {
				t.Skip("walks round by round")
			}
		}
		if _, err := v.Decide(); err != nil {
			t.Fatal(err)
		}
	})
}
