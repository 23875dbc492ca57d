package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

// succession is a new network in place of one that cannot go on.
type succession struct {
	exports       []string // files
	replace, drop []string // NAME=PUBLIC.json and NAME
}

func (s *succession) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.exports, "from-export", nil, "history of a network that cannot go on, which the new one takes over from; may be given many times")
	c.Flags().StringArrayVar(&s.replace, "replace", nil, "with --from-export: NAME=PUBLIC.json, a validator's new key")
	c.Flags().StringArrayVar(&s.drop, "drop", nil, "with --from-export: name of a validator that is no member any more")
}

// genesis verifies the exports and makes the new genesis from the longest.
func (s *succession) genesis(c *cobra.Command) (*dag.Genesis, error) {
	var all []*node.Legacy
	for _, path := range s.exports {
		l, err := readLegacy(c, path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s: network %s, %d commits hold\n", path, l.Genesis.Network().Short(), l.Head.Index)
		all = append(all, l)
	}
	longest, err := node.Longest(all)
	if errors.Is(err, node.ErrForked) {
		return nil, refused(err, "the operators must agree on the one history that counts, and name it alone; docs/disaster.md")
	}
	if err != nil {
		return nil, refused(err, "name exports of one network")
	}
	genesis := longest.Successor(uint64(time.Now().UnixMilli()))
	fmt.Fprintf(c.ErrOrStderr(), "the new network takes over behind commit %d (%s), from %s\n", longest.Head.Index, longest.Head.Digest, longest.Name)
	return genesis, s.change(c, genesis)
}

// change replaces and drops validators.
func (s *succession) change(c *cobra.Command, genesis *dag.Genesis) error {
	place := func(name string) (int, error) {
		i := slices.IndexFunc(genesis.Validators, func(v dag.GenesisValidator) bool { return v.Name == name })
		if i < 0 {
			return 0, usage(c, "the old network has no validator %q", name)
		}
		return i, nil
	}
	for _, text := range s.replace {
		name, file, ok := strings.Cut(text, "=")
		if !ok {
			return usage(c, "--replace %q: want NAME=PUBLIC.json", text)
		}
		i, err := place(name)
		if err != nil {
			return err
		}
		v, err := readPublic(file)
		if err != nil {
			return withHint(err, "make it with: dunlin init --home DIR --name %s > %s", name, file)
		}
		v.Name = name
		genesis.Validators[i] = v
	}
	for _, name := range s.drop {
		i, err := place(name)
		if err != nil {
			return err
		}
		genesis.Validators = slices.Delete(genesis.Validators, i, i+1)
	}
	return nil
}

func readLegacy(c *cobra.Command, path string) (*node.Legacy, error) {
	f, err := openHistory(path, c.ErrOrStderr())
	if err != nil {
		return nil, withHint(err, "make it with: dunlin log export %s", path)
	}
	defer f.Close()
	l, err := node.ReadLegacy(c.Context(), f, path)
	if errors.Is(err, chronicle.ErrHistory) {
		return nil, refused(fmt.Errorf("%s: %w", path, err), "take another copy of the file, or export it again: dunlin log export")
	}
	return l, err
}
