package dag

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutline(t *testing.T) {
	c := testCommittee(t, 4)
	b := laterBlock(c)
	raw := sign(t, c, &b)
	v, err := Verify(c, raw)
	if err != nil {
		t.Fatal(err)
	}
	ref, parents, err := Outline(raw)
	if err != nil || ref != v.Ref() || !cmp.Equal(parents, b.Parents) {
		t.Errorf("%v, %v, %v; want %v, %v", ref, parents, err, v.Ref(), b.Parents)
	}
	for _, length := range []int{0, minBlock - 1, minBlock} {
		_, _, err := Outline(raw[:length])
		wantBlockError(t, err, "")
	}
}
