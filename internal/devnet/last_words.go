package devnet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dunlin-network/dunlin/internal/node"
)

// maxLastWords bounds what is read of a log's end: an error, its hint and some lines that the node wrote while it
// stopped.
const maxLastWords = 8 << 10 // bytes

// didNotStart is the error for a node whose process ended (how) before it had done anything, with what the node itself
// gave as the reason and the remedy, if its log ends with them.
func (n *Node) didNotStart(how string) error {
	log := filepath.Join(n.Home, node.LogFile)
	reason, remedy := lastWords(log)
	if reason == "" {
		return &planError{fmt.Sprintf("%s did not start (%s)", n.Name, how), "tail " + log}
	}
	if remedy == "" {
		remedy = "tail " + log
	}
	return &planError{n.Name + " did not start: " + reason, remedy}
}

// lastWords are the error and the hint that a process ended with, by the end of its log; "" if there are none.
func lastWords(log string) (reason, remedy string) {
	f, err := os.Open(log)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-maxLastWords), io.SeekStart) // from the start is slower, not wrong
	}
	text, err := io.ReadAll(io.LimitReader(f, maxLastWords))
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if after, is := strings.CutPrefix(line, "error: "); is {
			reason, remedy = after, ""
		} else if after, is := strings.CutPrefix(line, "hint:"); is {
			remedy = strings.TrimSpace(after)
		} else {
			reason, remedy = "", "" // a log line: what was before it belongs to an earlier process
		}
	}
	return reason, remedy
}
