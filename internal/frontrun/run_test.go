package frontrun

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFrontRunning holds what the demonstration says: whoever reads orders before their place is fixed
// profits, sealing ends that, and giving the bot enough keys brings it back.
func TestFrontRunning(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		r, err := Run(Config{Seed: seed, Trades: 200})
		if err != nil {
			t.Fatal(err)
		}
		plain, sealed, leaked := &r.Plain, &r.Sealed, &r.Leaked
		t.Logf("seed %d: plain %.0f +- %.0f, sealed %.0f +- %.0f, leaked %.0f +- %.0f", seed,
			plain.BotProfit, plain.StandardError, sealed.BotProfit, sealed.StandardError, leaked.BotProfit, leaked.StandardError)
		if plain.BotProfit < 5*plain.StandardError {
			t.Errorf("seed %d: plain flow earns %.0f, standard error %.0f", seed, plain.BotProfit, plain.StandardError)
		}
		if leaked.BotProfit < 5*leaked.StandardError {
			t.Errorf("seed %d: with the keys the bot earns %.0f, standard error %.0f", seed, leaked.BotProfit, leaked.StandardError)
		}
		if sealed.BotProfit > 2*sealed.StandardError {
			t.Errorf("seed %d: sealed flow earns %.0f, standard error %.0f", seed, sealed.BotProfit, sealed.StandardError)
		}
		if sealed.OpenedEarly != 0 || sealed.CopiesTaken != 0 {
			t.Errorf("seed %d: %d orders read early, %d copies taken", seed, sealed.OpenedEarly, sealed.CopiesTaken)
		}
		if plain.BackRun != sealed.BackRun || plain.BackRun <= 0 {
			t.Errorf("seed %d: back-running differs between the flows: %v and %v", seed, plain.BackRun, sealed.BackRun)
		}
		checkPlaces(t, r)
	}
}

// checkPlaces sees that the bot had its chance: its guesses stood in front as often as its orders in the
// plain flow, and only what it could not know kept it from earning.
func checkPlaces(t *testing.T, r *Report) {
	t.Helper()
	share := func(k *Tactic) float64 { return float64(k.Ahead) / float64(k.Trades) }
	if len(r.Plain.Tactics) != 1 || len(r.Sealed.Tactics) != 2 {
		t.Fatalf("tactics %+v and %+v", r.Plain.Tactics, r.Sealed.Tactics)
	}
	read, guess, race := &r.Plain.Tactics[0], &r.Sealed.Tactics[0], &r.Sealed.Tactics[1]
	if share(read) < 0.5 || share(guess) < 0.5 || math.Abs(share(read)-share(guess)) > 0.2 {
		t.Errorf("in front in %.2f of the trades in the open and in %.2f of the guesses", share(read), share(guess))
	}
	if race.Ahead != 0 || race.Profit != 0 {
		t.Errorf("%d races won, for %.0f", race.Ahead, race.Profit)
	}
	if guess.Trades+race.Trades != r.Trades || read.Trades != r.Trades {
		t.Errorf("%d guesses and %d races in %d trades", guess.Trades, race.Trades, r.Trades)
	}
}

// TestRepeatable: one seed, one report; another seed, another report.
func TestRepeatable(t *testing.T) {
	run := func(seed uint64) *Report {
		r, err := Run(Config{Seed: seed, Trades: 20})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if diff := cmp.Diff(run(5), run(5)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(run(5).Plain, run(6).Plain) {
		t.Error("two seeds have one report")
	}
}

func TestRunRefuses(t *testing.T) {
	for _, trades := range []int{-1, 0, 1, MaxTrades + 1} {
		if _, err := Run(Config{Trades: trades}); !errors.Is(err, ErrConfig) {
			t.Errorf("%d trades: %v", trades, err)
		}
	}
}
