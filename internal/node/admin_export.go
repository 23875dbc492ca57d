package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

// maxAdminError is how many bytes of an answer that is an error are read.
const maxAdminError = 4 << 10

// askExport copies the history of a running node into w, or says errNotRunning.
func askExport(ctx context.Context, w io.Writer, home *Home, attach Attach, tell func(chronicle.Progress)) (sum chronicle.Summary, err error) {
	path := exportPath
	if attach == AttachConfig {
		path += "?" + attachConfig
	}
	answer, err := askAdmin(ctx, home, path)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAdminError))
		return sum, homeError("wait until it is done and try again", "export from the running node: %s", strings.TrimSpace(string(text)))
	}
	commits, err := strconv.ParseUint(answer.Header.Get(headerCommits), 10, 64)
	if err != nil {
		return sum, fmt.Errorf("export from the running node: header %s: %w", headerCommits, err)
	}
	n, err := io.Copy(chronicle.NewMeter(w, dag.CommitIndex(commits), tell), answer.Body)
	if err != nil {
		return sum, homeError("start the node, or leave it stopped, and try again", "export from the running node: it ended after %d bytes: %w", n, err)
	}
	if text, err := strconv.Unquote(answer.Trailer.Get(trailerError)); err == nil {
		hint, _ := strconv.Unquote(answer.Trailer.Get(trailerHint))
		return sum, homeError(hint, "export from the running node: %s", text)
	}
	if err := json.Unmarshal([]byte(answer.Trailer.Get(trailerDone)), (*exported)(&sum)); err != nil || sum.Bytes != n {
		return sum, fmt.Errorf("export from the running node: %d bytes, told %d: %w", n, sum.Bytes, errors.Join(io.ErrUnexpectedEOF, err))
	}
	return sum, nil
}
