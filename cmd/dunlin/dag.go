package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/picture"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/vector"
)

func newDag() *cobra.Command {
	c := &cobra.Command{
		Use:   "dag",
		Short: "Decide and draw DAGs that stand in files",
		Long: `Decide and draw DAGs that stand in files: as JSON with questions to the commit rule, or as a
picture in text, one line a round:

    n=4
    1: *
    2: * -> [-D1]; D
    3: A B C`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDagDecide(), newDagDraw())
	return c
}

func newDagDecide() *cobra.Command {
	return &cobra.Command{
		Use:   "decide FILE...",
		Short: "Print what the commit rule decides, one JSON object a file",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			out := json.NewEncoder(c.OutOrStdout())
			for _, file := range files {
				v, err := readDag(file)
				if err != nil {
					return err
				}
				answer, err := v.Decide()
				if err != nil {
					return fmt.Errorf("decide %s: %w", file, err)
				}
				if err := out.Encode(answer); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func newDagDraw() *cobra.Command {
	var slot, svg string
	c := &cobra.Command{
		Use:   "draw FILE",
		Short: "Show a DAG with the verdict on every anchor slot, and what a verdict rests on",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := newDrawing(args[0])
			if err != nil {
				return err
			}
			var about *dag.Slot
			if slot != "" {
				s, err := dag.ParseSlot(slot)
				if err != nil || !d.graph.Committee().Has(s.Author) || s.Round == 0 {
					return usage(c, "--slot %q is no slot of this DAG: want one like B3", slot)
				}
				about = &s
			}
			if err := d.print(c.OutOrStdout(), about); err != nil {
				return err
			}
			if svg == "" {
				return nil
			}
			if err := os.WriteFile(svg, d.svg(about), 0o644); err != nil {
				return withHint(fmt.Errorf("write the drawing: %w", err), "name a file in a directory that exists: --svg drawing.svg")
			}
			return nil
		},
	}
	c.Flags().StringVar(&slot, "slot", "", "explain the verdict on one slot, such as B3")
	c.Flags().StringVar(&svg, "svg", "", "write the drawing to this file too, as SVG")
	return c
}

// readDag reads a DAG in one of its two forms.
func readDag(file string) (*vector.Vector, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, withHint(err, "name a file that holds a DAG")
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, vector.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var v *vector.Vector
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		v, err = vector.Decode(raw)
	} else {
		var p *picture.Picture
		if p, err = picture.Parse(string(raw)); err == nil {
			v = vector.OfPicture(filepath.Base(file), p)
		}
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("read %s: %w", file, err), "dunlin dag --help shows the form of a picture")
	}
	return v, nil
}

// drawing is a DAG with what the commit rule says of it.
type drawing struct {
	name      string
	graph     *dag.DAG
	ids       map[*dag.Vertex]string
	committer *ordering.Committer
	schedule  ordering.Schedule
	verdicts  map[dag.Slot]ordering.Decision
	fault     error
}

func newDrawing(file string) (*drawing, error) {
	v, err := readDag(file)
	if err != nil {
		return nil, err
	}
	graph, vertices, err := v.Graph(len(v.Blocks))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	d := &drawing{
		name: v.Name, graph: graph, ids: make(map[*dag.Vertex]string), schedule: v.Schedule(),
		committer: ordering.NewCommitter(graph, v.Schedule(), 0), verdicts: make(map[dag.Slot]ordering.Decision),
	}
	for i, vertex := range vertices {
		d.ids[vertex] = v.Blocks[i].ID
		d.committer.Add(vertex)
	}
	decisions, err := d.committer.Pending()
	if err != nil && !errors.Is(err, ordering.ErrFault) {
		return nil, err
	}
	d.fault = err
	for _, decision := range decisions {
		d.verdicts[decision.Slot] = decision
	}
	return d, nil
}
