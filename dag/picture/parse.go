package picture

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/dag"
)

// ErrPicture wraps everything that can be wrong with the text of a picture.
var ErrPicture = errors.New("unreadable picture")

// Parse reads a picture. Errors wrap ErrPicture and name the line.
func Parse(text string) (*Picture, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrPicture, len(text), MaxBytes)
	}
	var r *reader
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var err error
		if r == nil {
			r, err = readHeader(line)
		} else {
			err = r.line(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrPicture, number, err)
		}
	}
	if r == nil {
		return nil, fmt.Errorf("%w: no text: begin with the number of authors, n=4", ErrPicture)
	}
	return r.picture, nil
}

// reader builds a picture line by line.
type reader struct {
	picture    *Picture
	seen       *index
	references int
}

func readHeader(line string) (*reader, error) {
	digits, ok := strings.CutPrefix(line, "n=")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil || n == 0 || n > dag.MaxCommittee {
		return nil, fmt.Errorf("%q: want the number of authors, n=1 to n=%d", line, dag.MaxCommittee)
	}
	return &reader{picture: &Picture{Authors: int(n)}, seen: newIndex(int(n))}, nil
}

// clause is what stands between two semicolons: some authors and the parents of all their blocks.
type clause struct {
	authors []string
	parents []string // nil for *
	literal bool     // whether parents is the list itself
}

// line reads "ROUND: CLAUSE; CLAUSE; ...".
func (r *reader) line(line string) error {
	number, rest, ok := strings.Cut(line, ":")
	round, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
	if !ok || err != nil || round == 0 {
		return fmt.Errorf("%q: want a round from 1 on and a colon", line)
	}
	var clauses []clause
	named := make(map[dag.Author]bool) // first blocks that the line names by their author
	for text := range strings.SplitSeq(rest, ";") {
		c, err := readClause(text)
		if err != nil {
			return err
		}
		for _, a := range c.authors {
			if author, err := dag.ParseAuthor(a); err == nil {
				named[author] = true
			}
		}
		clauses = append(clauses, c)
	}
	for _, c := range clauses {
		names, err := r.names(c.authors, dag.Round(round), named)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := r.add(n, c); err != nil {
				return err
			}
		}
	}
	r.flush()
	return nil
}

func readClause(text string) (clause, error) {
	left, right, arrow := strings.Cut(text, "->")
	c := clause{authors: strings.Fields(left)}
	if len(c.authors) == 0 {
		return clause{}, fmt.Errorf("%q: no author", strings.TrimSpace(text))
	}
	right = strings.TrimSpace(right)
	if !arrow || right == "*" {
		return c, nil
	}
	list, opened := strings.CutPrefix(right, "[")
	list, closed := strings.CutSuffix(list, "]")
	if !opened || !closed {
		return clause{}, fmt.Errorf("parents %q: want * or a list in brackets", right)
	}
	c.parents, c.literal = strings.Fields(list), true
	for _, p := range c.parents {
		if p == "*" || p[0] == '-' {
			c.literal = false
		}
	}
	return c, nil
}

// names turns the left side of a clause into the blocks that it stands for.
func (r *reader) names(authors []string, round dag.Round, named map[dag.Author]bool) ([]Name, error) {
	var out []Name
	without, everybody := make(map[dag.Author]bool), false
	for _, text := range authors {
		text, minus := strings.CutPrefix(text, "-")
		if text == "*" && !minus {
			everybody = true
			continue
		}
		author, twin, err := cutTwin(text)
		if err != nil {
			return nil, fmt.Errorf("author %q: %w", text, err)
		}
		a, err := dag.ParseAuthor(author)
		if err != nil || int(a) >= r.picture.Authors {
			return nil, fmt.Errorf("author %q: no such author among %d", text, r.picture.Authors)
		}
		if minus {
			everybody, without[a] = true, true
			continue
		}
		out = append(out, Name{round, a, twin})
	}
	if everybody && len(out) > 0 {
		return nil, fmt.Errorf("authors %q: * and - stand alone", strings.Join(authors, " "))
	}
	for a := range dag.Author(r.picture.Authors) {
		if everybody && !named[a] && !without[a] {
			out = append(out, Name{Round: round, Author: a})
		}
	}
	return out, nil
}

// add makes one block.
func (r *reader) add(n Name, c clause) error {
	if r.seen.has(n) {
		return fmt.Errorf("%v stands there twice", n)
	}
	parents, err := r.parents(n, c)
	if err != nil {
		return fmt.Errorf("%v: %w", n, err)
	}
	r.references += len(parents)
	if r.references > MaxReferences || len(r.picture.Blocks) >= MaxBlocks {
		return fmt.Errorf("%v: more than %d references or %d blocks", n, MaxReferences, MaxBlocks)
	}
	r.picture.Blocks = append(r.picture.Blocks, Block{Name: n, Parents: parents})
	r.seen.note(n)
	return nil
}

// flush makes the blocks of a line visible to the lines after it.
func (r *reader) flush() { r.seen.flush() }

func (r *reader) parents(n Name, c clause) ([]Name, error) {
	var without, plus []Name
	for _, text := range c.parents {
		text, minus := strings.CutPrefix(text, "-")
		if text == "*" && !minus {
			continue
		}
		p, err := ParseName(text)
		switch {
		case err != nil:
			return nil, err
		case !r.seen.visible(p):
			return nil, fmt.Errorf("parent %v does not stand before it", p)
		case p.Round >= n.Round:
			return nil, fmt.Errorf("parent %v is not older", p)
		}
		if minus {
			without = append(without, p)
		} else {
			plus = append(plus, p)
		}
	}
	if c.literal {
		return plus, nil
	}
	return change(r.seen.star(n, without), plus), nil
}

// change puts the blocks of plus into list: in the place of another block of their author, else at
// the end.
func change(list, plus []Name) []Name {
	for _, p := range plus {
		at := slices.IndexFunc(list, func(q Name) bool { return q.Author == p.Author })
		if at >= 0 {
			list[at] = p
		} else {
			list = append(list, p)
		}
	}
	return list
}
