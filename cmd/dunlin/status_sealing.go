package main

import (
	"fmt"
	"strings"

	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// sealingLine says which key serves, and how far the one is that is being made.
func sealingLine(g *rollupapi.KeyGeneration) string {
	var parts []string
	if g.Serving != 0 {
		parts = append(parts, fmt.Sprintf("key %d since commit %d, %d of %d open", g.Serving, g.Since, g.Threshold, g.Validators))
	}
	making := ""
	switch g.Phase {
	case keygen.Dealing.String():
		making = fmt.Sprintf("dealing, %d of %d deals", g.Deals, g.Validators)
	case keygen.Acknowledging.String():
		making = fmt.Sprintf("acknowledging, %d of %d", g.Acks, g.Validators)
	}
	switch {
	case making != "" && g.Serving != 0:
		making = fmt.Sprintf("key %d: %s", g.KeyID, making)
	case making != "" && g.Attempt > 0:
		making = fmt.Sprintf("attempt %d: %s", g.Attempt+1, making)
	case making == "" && g.Serving == 0:
		making = "no key yet"
	}
	if len(g.Missing) > 0 {
		making += ", missing " + strings.Join(g.Missing, " ")
	}
	if g.Deadline != 0 {
		making += fmt.Sprintf(", at the latest at commit %d", g.Deadline)
	}
	if making != "" {
		parts = append(parts, making)
	}
	if len(g.Excluded) > 0 {
		parts = append(parts, "proven to cheat: "+strings.Join(g.Excluded, " "))
	}
	if g.Advice != "" {
		parts = append(parts, g.Advice)
	}
	return strings.Join(parts, "; ")
}

// revealedLine says up to which commit all is opened, and what the next one waits for.
func revealedLine(s *client.NodeStatus) string {
	if s.Revealed >= s.Commit {
		return fmt.Sprintf("%d, all", s.Revealed)
	}
	line := fmt.Sprintf("%d, %d behind", s.Revealed, s.Commit-s.Revealed)
	if r := s.Reveal; r != nil {
		line += fmt.Sprintf(": %d of %d shares for commit %d", r.Shares, r.Needed, s.Revealed+1)
		if len(r.Missing) > 0 {
			line += ", missing " + strings.Join(r.Missing, " ")
		}
	}
	return line
}

// certifiedLine says up to which commit all is certified. Not every commit is signed, so that a few are behind.
func certifiedLine(s *client.NodeStatus) string {
	switch {
	case s.Certified == 0:
		return "none yet"
	case s.Certified >= s.Commit:
		return fmt.Sprintf("%d, all", s.Certified)
	}
	return fmt.Sprintf("%d, %d behind", s.Certified, s.Commit-s.Certified)
}
