//go:build mutants

package main

import (
	"fmt"

	"github.com/dunlin-network/dunlin/dag/mutant"
)

// row is one error and what noticed it.
type row struct {
	mutant   mutant.Mutant
	sighting sighting
	test     string
}

func (r *row) survived() bool { return r.sighting.invariant == "" && r.test == "" }

// printTable prints what noticed each error, as Markdown.
func printTable(rows []row) {
	fmt.Println("| planted error | what it does | noticed by simulation | noticed by test |")
	fmt.Println("|---|---|---|---|")
	for i := range rows {
		r := &rows[i]
		test := r.test
		switch {
		case r.survived():
			test = "**SURVIVES**"
		case test == "":
			test = "-"
		}
		fmt.Printf("| %s | %s | %s | %s |\n", r.mutant.Name, r.mutant.Does, r.sighting, test)
	}
}
