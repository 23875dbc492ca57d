package corruption

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// How many random harms are tried unless DUNLIN_RANDOM_HARMS and DUNLIN_CUT_OFFS say otherwise.
const (
	defaultRandom  = 20
	defaultCutOffs = 10
)

// TestRandomHarm harms a random file of a home's data, the log's or the database's, at a random offset: cut off,
// flipped, zeroed. Then it does so again and always cuts off. Whatever comes of it is one of the outcomes
// of the table; no answer is wrong and nothing panics.
func TestRandomHarm(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many databases")
	}
	seed := number(t, "DUNLIN_SEED", uint64(time.Now().UnixNano()))
	t.Logf("DUNLIN_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	root := directory(t)
	states := append(makeStates(t, root), makeJoined(t, root))
	harmOften(t, states, random, int(number(t, "DUNLIN_RANDOM_HARMS", defaultRandom)), harmAtRandom)
	harmOften(t, states, random, int(number(t, "DUNLIN_CUT_OFFS", defaultCutOffs)), cutOffAtRandom)
}

// makeJoined makes a home whose history began from a snapshot.
func makeJoined(t *testing.T, root string) state {
	t.Helper()
	const before, after = 40, 20
	dir := filepath.Join(root, "joined")
	home := filepath.Join(dir, "home")
	w := newAuthor(t)
	w.home(home)
	var head *ordering.Commit
	var window []*ordering.Commit
	for range before {
		head = w.commit(w.layer(1000))
		window = append(window, head)
		w.written.Window = append(w.written.Window, head.EncodeRecord())
	}
	s, _, err := store.Open(storeOptions(home, w.committee))
	check(t, err)
	staging, err := s.Stage(head)
	check(t, err)
	for _, c := range window {
		check(t, staging.Commit(t.Context(), c))
	}
	check(t, staging.Finish(t.Context(), nil))
	check(t, s.Close())
	check(t, staging.Install())
	s, _, err = store.Open(storeOptions(home, w.committee))
	check(t, err)
	w.write(s, after, 100_000)
	check(t, s.Close())
	w.remember(filepath.Join(dir, "memory"))
	return state{"joined", dir, w.written.Blocks[len(w.written.Blocks)-1]}
}

// harmOften harms a copy of a random home, opens it and throws it away, again and again.
func harmOften(t *testing.T, states []state, random *rand.Rand, times int, harm func(*testing.T, *rand.Rand, string, int64) string) {
	t.Helper()
	outcomes := make(map[string]int)
	for done := 0; done < times; {
		st := states[random.IntN(len(states))]
		home, work := filepath.Join(st.dir, "home"), filepath.Join(st.dir, "harmed")
		found, err := filepath.Glob(filepath.Join(home, "data", "*", "*"))
		check(t, err)
		target := found[random.IntN(len(found))]
		size := used(t, target, st.newest)
		if size == 0 {
			continue
		}
		done++
		check(t, duplicate(home, work))
		what := harm(t, random, filepath.Join(work, target[len(home):]), size)
		outcome, out := child(st.dir)
		if outcome == "" {
			t.Errorf("%s, %s of %d bytes, %s:\n%s", st.name, target[len(home):], size, what, out)
		}
		outcomes[outcome]++
		check(t, os.RemoveAll(work))
	}
	t.Log(strings.TrimPrefix(fmt.Sprint(outcomes), "map"))
}

func harmAtRandom(t *testing.T, random *rand.Rand, path string, size int64) string {
	t.Helper()
	at := random.Int64N(size)
	switch random.IntN(3) {
	case 0:
		return cutOffAtRandom(t, random, path, size)
	case 1:
		check(t, flip(path, at))
		return fmt.Sprintf("flipped at %d", at)
	}
	length := min(size-at, 1+random.Int64N(8192))
	check(t, overwrite(path, at, make([]byte, length)))
	return fmt.Sprintf("%d zeros at %d", length, at)
}

func cutOffAtRandom(t *testing.T, random *rand.Rand, path string, size int64) string {
	t.Helper()
	at := random.Int64N(size)
	check(t, os.Truncate(path, at))
	return fmt.Sprintf("cut off at %d", at)
}

// number reads an environment variable.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	check(t, err)
	return n
}
