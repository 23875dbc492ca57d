package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes of every verb.
const (
	exitDone    = 0 // did what was asked
	exitError   = 1 // could not do it
	exitUsage   = 2 // the command line makes no sense
	exitRefused = 3 // it was tried, and the answer is no: a transaction refused, a network at fault
)

// terminal is where a verb reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// hinted is an error that knows what to type next.
type hinted struct {
	error
	hint string
	code int
}

func (h *hinted) Unwrap() error { return h.error }

// Hint is the next thing to type or to look at.
func (h *hinted) Hint() string { return h.hint }

// withHint attaches what to do next to an error that ends the program with exitError.
func withHint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...), exitError}
}

// refused is an error that ends the program with exitRefused.
func refused(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...), exitRefused}
}

// counted is so many of a thing, in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// usage is an error of the command line.
func usage(command *cobra.Command, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), fmt.Sprintf("%s --help", command.CommandPath()), exitUsage}
}

// execute runs one command line and returns the exit code. Errors go to t.err in two lines.
func execute(ctx context.Context, args []string, t terminal) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var coded *hinted
	code, hint := exitError, ""
	if errors.As(err, &coded) {
		code = coded.code
	} else if isUsage(err) {
		code, hint = exitUsage, command.CommandPath()+" --help"
	}
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		hint = advice.Hint()
	}
	fmt.Fprintf(t.err, "error: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	if hint != "" {
		fmt.Fprintf(t.err, "hint:  %s\n", hint)
	}
	return code
}

// isUsage recognises the errors that cobra itself makes of a command line.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs", "invalid argument", "accepts ", "requires ", "required flag"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "dunlin",
		Short: "Dunlin orders the transactions of many rollups",
		Long: `Dunlin is a shared sequencer for rollups: validators weave signed blocks into a graph and
derive one order of all transactions from it, with nobody in front.

Start with:  dunlin devnet

Exit codes:  0 done   1 could not do it   2 wrong command line   3 refused, or a network at fault`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newBackup(), newDag(), newDemo(), newDevnet(), newDoctor(), newInit(), newLog(), newNamespace(), newRun(), newSimCommand(), newStatus(), newSubmit(), newTail(), newVerify(), newVersion())
	return root
}
