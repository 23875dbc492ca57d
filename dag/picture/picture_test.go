package picture_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// long is the text with one block a line and all references written out.
func long(p *picture.Picture) string {
	var out strings.Builder
	for _, b := range p.Blocks {
		out.WriteString(b.Name.String())
		for _, n := range b.Parents {
			out.WriteString(" " + n.String())
		}
		out.WriteString("\n")
	}
	return out.String()
}

func TestParse(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"all of all", "n=3\n1: *\n2: *", "A1 A0 B0 C0\nB1 B0 A0 C0\nC1 C0 A0 B0\nA2 A1 B1 C1\nB2 B1 A1 C1\nC2 C1 A1 B1\n"},
		{"not one", "n=3\n1: A -> [-B0]", "A1 A0 C0\n"},
		{"not the own", "n=3\n1: *\n2: *\n3: B -> [-B2]", "A1 A0 B0 C0\nB1 B0 A0 C0\nC1 C0 A0 B0\nA2 A1 B1 C1\nB2 B1 A1 C1\nC2 C1 A1 B1\nB3 B1 A2 C2\n"},
		{"exactly", "n=3\n1: C -> [B0 C0]; A -> []", "C1 B0 C0\nA1\n"},
		{"everybody else", "n=3\n1: B -> [B0]; *", "B1 B0\nA1 A0 B0 C0\nC1 C0 A0 B0\n"},
		{"everybody but", "n=3\n1: -B", "A1 A0 B0 C0\nC1 C0 A0 B0\n"},
		{"absent author stays out of *", "n=3\n1: A B\n2: *", "A1 A0 B0 C0\nB1 B0 A0 C0\nA2 A1 B1\nB2 B1 A1\nC2 C0 A1 B1\n"},
		{"twin in the place of the first", "n=3\n1: A B C B.1\n2: A B -> [* B1.1]", "A1 A0 B0 C0\nB1 B0 A0 C0\nC1 C0 A0 B0\nB1.1 B0 A0 C0\nA2 A1 B1.1 C1\nB2 B1.1 A1 C1\n"},
		{"weak reference", "n=3\n1: *\n2: A B\n3: A -> [* C1]", "A1 A0 B0 C0\nB1 B0 A0 C0\nC1 C0 A0 B0\nA2 A1 B1 C1\nB2 B1 A1 C1\nA3 A2 B2 C1\n"},
		{"late block", "n=3\n1: A B\n2: A\n1: C\n2: B", "A1 A0 B0 C0\nB1 B0 A0 C0\nA2 A1 B1\nC1 C0 A0 B0\nB2 B1 A1 C1\n"},
		{"comments and space", "# a DAG\n\nn=3 # three\n  1 :  A   B  ->  [ -C0 ] ;C-> *\n", "A1 A0 B0\nB1 B0 A0\nC1 C0 A0 B0\n"},
		{"many authors", "n=28\n1: N26 -> [N26_0 A0]; N27.1 -> [N27_0]\n2: N26 -> [-N27_1.1 N27_1.1]", "N26_1 N26_0 A0\nN27_1.1 N27_0\nN26_2 N26_1 N27_1.1\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := picture.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, long(p)); diff != "" {
				t.Errorf("picture differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "# nothing\n", "no text"},
		{"no header", "1: *", "number of authors"},
		{"no authors", "n=0", "number of authors"},
		{"too many authors", "n=257", "number of authors"},
		{"no colon", "n=3\n1 *", "want a round"},
		{"round 0", "n=3\n0: *", "want a round"},
		{"negative round", "n=3\n-1: *", "want a round"},
		{"empty clause", "n=3\n1: A;", "no author"},
		{"unknown author", "n=3\n1: D", "no such author"},
		{"twin 0", "n=3\n1: A.0", "want a number from 1"},
		{"twice", "n=3\n1: A\n1: A", "line 3: A1 stands there twice"},
		{"twice on a line", "n=3\n1: A B A", "A1 stands there twice"},
		{"no brackets", "n=3\n1: A -> B0", "list in brackets"},
		{"open bracket", "n=3\n1: A -> [B0", "list in brackets"},
		{"unknown parent", "n=3\n1: A\n2: A -> [B1]", "parent B1 does not stand before it"},
		{"parent on the same line", "n=3\n1: A; B -> [A1]", "does not stand before it"},
		{"parent of the same round", "n=3\n1: A\n1: B -> [A1]", "parent A1 is not older"},
		{"unknown genesis", "n=3\n1: A -> [D0]", "does not stand before it"},
		{"star among authors", "n=3\n1: A *", "stand alone"},
		{"too long", "n=3\n" + strings.Repeat(" ", picture.MaxBytes), "bytes, limit"},
		{"too many references", "n=256\n" + strings.Repeat("#\n", 3) + rounds(20), "references"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := picture.Parse(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), picture.ErrPicture.Error()) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func rounds(n int) string {
	var out strings.Builder
	for r := range n {
		out.WriteString(dag.Slot{Round: dag.Round(r + 1)}.String()[1:] + ": *\n")
	}
	return out.String()
}

func TestCanonicalText(t *testing.T) {
	const text = `n=4
1: *
2: * -> [-D1]; D
3: * -> [-D2]; D -> [* D1]; A.1 -> [-B2]; D.1
4: A B
3: C.1 -> [C2 D2 B2]
4: C -> [* C3.1]; D -> [D3.1 A3.1 B3]
5: A B -> [* C3]
`
	p, err := picture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, p.String()); diff != "" {
		t.Errorf("text differs (-want +got):\n%s", diff)
	}
}

func drawPicture(t *rapid.T) (*picture.Picture, *rand.Rand) {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
	p := dagtest.Random(random, dagtest.Wild(rapid.IntRange(4, 30).Draw(t, "authors"), rapid.IntRange(1, 12).Draw(t, "rounds")))
	return dagtest.Reordered(p, dagtest.Shuffle(random, p, rapid.IntRange(0, 9).Draw(t, "delay"))), random
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPicture(t)
		got, err := picture.Parse(p.String())
		if err != nil {
			t.Fatalf("%v in\n%s", err, p)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Fatalf("picture differs (-want +got):\n%s\n%s", diff, p)
		}
	})
}

// TestSignedRoundTrip draws a DAG of signed blocks, signs what the drawing says, and wants the same
// digests.
func TestSignedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
		p := dagtest.Random(random, dagtest.Wild(rapid.IntRange(4, 8).Draw(t, "authors"), rapid.IntRange(1, 8).Draw(t, "rounds")))
		refs := func(p *picture.Picture) ([]dag.Ref, *dag.DAG) {
			s, err := dagtest.Sign(p, func(picture.Name, *dag.Block) {})
			if err != nil {
				t.Fatal(err)
			}
			graph := dag.New(s.Committee)
			var out []dag.Ref
			for _, v := range dagtest.Feed(graph, s.Blocks) {
				out = append(out, v.Ref())
			}
			return out, graph
		}
		want, graph := refs(p)
		text := dagtest.Draw(graph)
		again, err := picture.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("picture differs (-want +got):\n%s", diff)
		}
		if got, _ := refs(again); len(got) != len(p.Blocks) || !cmp.Equal(want, got) {
			t.Fatalf("the drawing has other blocks:\n%s", text)
		}
	})
}

func TestInsertedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPicture(t)
		graph := dag.New(dagtest.Committee(p.Authors))
		vertices := p.Insert(graph)
		got := picture.Of(graph)
		parents := make(map[picture.Name][]picture.Name)
		for _, b := range p.Blocks {
			parents[b.Name] = nil
			for _, n := range b.Parents {
				if n.Round > 0 {
					parents[b.Name] = append(parents[b.Name], n)
				}
			}
		}
		if len(vertices) != len(p.Blocks) || len(got.Blocks) != len(p.Blocks) {
			t.Fatalf("%d blocks inserted, %d drawn, want %d", len(vertices), len(got.Blocks), len(p.Blocks))
		}
		renamed := make(map[picture.Name]picture.Name) // twins are numbered by arrival
		for _, v := range vertices {
			for _, b := range p.Blocks {
				if b.Name.Slot() == v.Slot() && picture.Digest(b.Name) == v.Ref().Digest {
					for k, w := range graph.At(v.Slot()) {
						if w == v {
							renamed[picture.Name{Round: v.Round(), Author: v.Author(), Twin: uint16(k)}] = b.Name
						}
					}
				}
			}
		}
		for _, b := range got.Blocks {
			var names []picture.Name
			for _, n := range b.Parents {
				names = append(names, renamed[n])
			}
			if !cmp.Equal(parents[renamed[b.Name]], names) {
				t.Fatalf("%v has parents %v, want %v", renamed[b.Name], names, parents[renamed[b.Name]])
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("n=4\n1: *\n2: * -> [-D1]; D\n3: A B -> *; C -> [C2 A2 B2 D1]; A.1 -> [-B2]\n")
	f.Add("n=3\n1: A B\n2: A\n1: C\n2: -C\n3: *; A.1 -> [* C1]")
	f.Add("n=28\n1: N26 -> [N26_0 A0]; N27.1 -> [N27_0]\n2: N26 -> [-N27_1.1 N27_1.1]")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			t.Skip("the rest is repetition")
		}
		p, err := picture.Parse(text)
		if err != nil {
			return
		}
		again, err := picture.Parse(p.String())
		if err != nil {
			t.Fatalf("%v in the canonical text\n%s", err, p)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("picture differs (-want +got):\n%s", diff)
		}
	})
}
