package frontrun

import (
	"math"
	"slices"
)

// Report is all flows over the same victims. Amounts are in coins. Leaked is what would be if the bot held the
// keys of 2f+1 validators: the control, which shows that only the secret stands between it and a profit.
type Report struct {
	Seed       uint64 `json:"seed"`
	Validators int    `json:"validators"`
	Trades     int    `json:"trades"`
	Plain      Flow   `json:"plain"`
	Sealed     Flow   `json:"sealed"`
	Leaked     Flow   `json:"leaked"`
}

// Flow is what the bot made of one flow of victims. BotProfit is what front-running earned; BackRun is what
// trading only behind the victims would have earned, which sealing leaves to whoever is first there.
type Flow struct {
	BotProfit     float64    `json:"bot_profit"`
	StandardError float64    `json:"standard_error"`
	BackRun       float64    `json:"back_run_profit"`
	BackRunError  float64    `json:"back_run_standard_error"`
	Tactics       []Tactic   `json:"tactics"`
	OpenedEarly   int        `json:"opened_before_order"` // orders that the bot read before any honest validator had fixed them
	CopiesTaken   int        `json:"copied_ciphertexts_taken"`
	Cumulative    []Position `json:"-"` // after each trade, for the plot
}

// Tactic is one way of the bot with the trades that it took it in.
type Tactic struct {
	Name          string  `json:"name"`
	Trades        int     `json:"trades"`
	Ahead         int     `json:"ordered_ahead"` // its order stood before the victim's and was carried out
	Profit        float64 `json:"profit"`
	StandardError float64 `json:"standard_error"`
}

// Position is the sum of profits up to a trade.
type Position struct{ Front, BackRun float64 }

func summary(outcomes []outcome, t *tried) Flow {
	f := Flow{OpenedEarly: t.openedEarly, CopiesTaken: t.copiesTaken}
	var fronts, backs []float64
	sum := Position{}
	for i := range outcomes {
		o := &outcomes[i]
		front, back := float64(o.front)/coin, float64(o.back)/coin
		fronts, backs = append(fronts, front), append(backs, back)
		sum = Position{sum.Front + front, sum.BackRun + back}
		f.Cumulative = append(f.Cumulative, sum)
	}
	f.BotProfit, f.StandardError = sumWithError(fronts)
	f.BackRun, f.BackRunError = sumWithError(backs)
	for how := range tacticNames {
		t := Tactic{Name: tacticNames[how]}
		var of []float64
		for i := range outcomes {
			if o := &outcomes[i]; int(o.tactic) == how {
				of = append(of, fronts[i])
				if o.ahead {
					t.Ahead++
				}
			}
		}
		if t.Trades = len(of); t.Trades > 0 {
			t.Profit, t.StandardError = sumWithError(of)
			f.Tactics = append(f.Tactics, t)
		}
	}
	return f
}

// sumWithError is a sum of independent values and its standard error, rounded to millionths so that
// it prints the same on every machine.
func sumWithError(values []float64) (sum, standardError float64) {
	for _, v := range values {
		sum += v
	}
	n := float64(len(values))
	if n < 2 {
		return round(sum), 0
	}
	squares := 0.0
	for _, v := range slices.Sorted(slices.Values(values)) {
		squares += (v - sum/n) * (v - sum/n)
	}
	return round(sum), round(math.Sqrt(squares / (n - 1) * n))
}

func round(v float64) float64 { return math.Round(v*coin) / coin }
