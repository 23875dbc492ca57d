// Package doctor looks a node over, from inside its home and from outside through its API and the mesh, and says
// in one line each what it found and what to type next. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warn" // it works, and something is worth a look
	Bad     Level = "bad"  // the node does not do its work, or soon will not
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // its name, always the same
	Text  string `json:"text"`
	Next  string `json:"next,omitempty"` // what to type or to look at; empty where all is well
}

// Plan says what to look at.
type Plan struct {
	Home    string // a home directory; empty to look from outside only
	API     string // URL of the node's API; empty for the one in the home's config
	Token   string // that the API wants; empty for none
	Version string // of this program
}

// patience bounds each question to another program.
const patience = 5 * time.Second

// visit is one look at one node.
type visit struct {
	ctx      context.Context
	plan     Plan
	home     *node.Home // nil without one, or if it cannot be read
	running  bool
	status   *client.NodeStatus // nil if the API does not answer
	findings []Finding
}

// Examine looks a node over. It blocks for some seconds on disk and network.
func Examine(ctx context.Context, plan Plan) []Finding {
	v := &visit{ctx: ctx, plan: plan}
	if plan.Home != "" {
		v.inside()
	}
	v.outside()
	if v.home != nil {
		v.reach()
	}
	return v.findings
}

// Worst is the highest level among findings.
func Worst(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		if f.Level == Bad || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

func (v *visit) ok(check, format string, args ...any) {
	v.findings = append(v.findings, Finding{OK, check, fmt.Sprintf(format, args...), ""})
}

func (v *visit) warn(check, next, format string, args ...any) {
	v.findings = append(v.findings, Finding{Warning, check, fmt.Sprintf(format, args...), next})
}

func (v *visit) bad(check, next, format string, args ...any) {
	v.findings = append(v.findings, Finding{Bad, check, fmt.Sprintf(format, args...), next})
}

// role is what the home's key is in its network.
func role(h *node.Home) string {
	if a, ok := h.Author(); ok {
		return fmt.Sprintf("validator %s (%s)", a, h.Genesis.Validators[a].Name)
	}
	return "an observer"
}

// validators is how many a home's network has.
func validators(h *node.Home) int { return len(h.Genesis.Validators) }
