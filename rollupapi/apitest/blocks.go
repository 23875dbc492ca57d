package apitest

import "github.com/dunlin-network/dunlin/dag"

// Round gives the blocks of a round, all of which stand in commits.
func (c *Chain) Round(round dag.Round, _ int) ([][]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out [][]byte
	for _, commit := range c.commits {
		for _, b := range commit.Bodies {
			if b.Round() == round {
				out = append(out, b.Bytes())
			}
		}
	}
	return out, c.broken
}

// Block gives one block.
func (c *Chain) Block(ref dag.Ref) ([]byte, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, commit := range c.commits {
		for _, b := range commit.Bodies {
			if b.Ref() == ref {
				return b.Bytes(), true, nil
			}
		}
	}
	return nil, false, c.broken
}
