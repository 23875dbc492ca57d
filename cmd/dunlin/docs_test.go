package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dunlin-network/dunlin/internal/node"
)

var update = flag.Bool("update", false, "write the derived documents anew")

// TestDocs holds the documents that are derived from the program against it. `make docs` writes
// them anew.
func TestDocs(t *testing.T) {
	config := node.DefaultConfig()
	text, err := config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"cli.md":    commandsAsMarkdown(newRoot()),
		"config.md": "# config.toml\n\nWritten by `dunlin init`; derived from the program, do not edit here.\n\n```toml\n" + string(text) + "```\n",
	} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("docs/%s is stale, run 'make docs' (-program +document):\n%s", name, diff)
		}
	}
}

func commandsAsMarkdown(root *cobra.Command) string {
	var b bytes.Buffer
	b.WriteString("# The command line\n\nDerived from the program; do not edit here.\n\n")
	b.WriteString(root.Long + "\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			describe(&b, sub)
			walk(sub)
		}
	}
	walk(root)
	return b.String()
}

func describe(b *bytes.Buffer, c *cobra.Command) {
	about := c.Long
	if about == "" {
		about = c.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n    %s\n\n```text\n%s\n```\n", c.CommandPath(), c.UseLine(), about)
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.TrimSpace(strings.ReplaceAll("\n"+c.Example, "\n  ", "\n")))
	}
	if !c.LocalFlags().HasAvailableFlags() {
		return
	}
	b.WriteString("\n| flag | default | |\n|---|---|---|\n")
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		initial := f.DefValue
		if initial == "" || initial == "[]" || initial == "false" {
			initial = " "
		}
		fmt.Fprintf(b, "| `--%s` %s | %s | %s |\n", f.Name, f.Value.Type(), initial, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
}
