package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// The admin socket is a Unix socket in the home with HTTP on it, for commands of the node's owner alone: its
// mode lets nobody else in, and the home's neither. What the public API must not do belongs here.
const (
	exportPath    = "/v1/export"
	attachConfig  = "config"         // a query parameter of exportPath: whether the config is attached
	headerCommits = "Dunlin-Commits" // how many commits an export will hold
	trailerDone   = "Dunlin-Summary" // what an export held, as JSON; without it, it is incomplete
	trailerError  = "Dunlin-Error"   // why it is
	trailerHint   = "Dunlin-Hint"    // what to do about it

	adminMode       = 0o600
	adminHeadTime   = 5 * time.Second // to send a request's head
	adminHeadBytes  = 8 << 10
	adminReadBuffer = 1 << 20
)

// AdminPath is where the node of a home listens for its owner.
func (h *Home) AdminPath() string { return filepath.Join(h.Dir, AdminSocket) }

// openAdmin listens on the admin socket. The store's lock is held: what is left there is nobody's. A node
// without it is whole but for the commands that need it.
func (n *node) openAdmin() net.Listener {
	path := n.home.AdminPath()
	l, err := listenAdmin(path)
	if err != nil {
		n.log.Warn("no_admin_socket", "path", path, "error", err,
			"next", "backups need the node to be stopped until this is mended; a path may have 100 bytes or so")
		return nil
	}
	return l
}

func listenAdmin(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, adminMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveAdmin serves the admin socket until ctx ends; what is being served then is cut off.
func (n *node) serveAdmin(ctx context.Context) error {
	if n.admin == nil {
		return nil
	}
	exporting := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+exportPath, func(w http.ResponseWriter, r *http.Request) {
		select {
		case exporting <- struct{}{}:
			defer func() { <-exporting }()
			n.serveExport(w, r)
		default:
			http.Error(w, "another backup or export of this node is under way", http.StatusConflict)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: adminHeadTime, MaxHeaderBytes: adminHeadBytes}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(n.admin); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", n.home.AdminPath(), err)
	}
	return nil
}

// serveExport answers with the node's history while the node goes on.
func (n *node) serveExport(w http.ResponseWriter, r *http.Request) {
	attach := AttachGenesis
	if r.URL.Query().Has(attachConfig) {
		attach = AttachConfig
	}
	began := time.Now()
	w.Header().Set(headerCommits, strconv.FormatUint(uint64(n.store.Head().Index), 10))
	w.Header().Set("Trailer", trailerDone+", "+trailerError+", "+trailerHint)
	sum, err := n.home.export(r.Context(), w, n.store, attach)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(exported(sum)); err == nil {
			w.Header().Set(trailerDone, string(text))
		}
	}
	if err != nil {
		hint := "look at the node's log"
		if told := (*HomeError)(nil); errors.As(err, &told) {
			hint = told.Advice
		}
		n.log.Warn("export_failed", "error", err, "next", hint)
		w.Header().Set(trailerError, strconv.QuoteToASCII(err.Error()))
		w.Header().Set(trailerHint, strconv.QuoteToASCII(hint))
		return
	}
	n.log.Info("exported", "commits", sum.Head.Index, "blocks", sum.Blocks, "bytes", sum.Bytes, "took", time.Since(began).Round(time.Millisecond))
}

// exported is a Summary as it is sent.
type exported struct {
	Network crypto.Digest
	Blocks  int
	Head    dag.CommitRef
	Bytes   int64
}

// errNotRunning says that no node of the home runs that could be asked.
var errNotRunning = errors.New("no node listens on the admin socket")

// askAdmin sends a request to the node of a home, or says errNotRunning. The caller closes the body.
func askAdmin(ctx context.Context, home *Home, path string) (*http.Response, error) {
	transport := &http.Transport{
		DisableKeepAlives: true, ReadBufferSize: adminReadBuffer,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "unix", home.AdminPath())
			switch {
			case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EINVAL): // the last: too long a path
				err = errNotRunning
			case errors.Is(err, unix.EACCES):
				err = homeError("run as the owner of "+home.Dir, "ask the running node: %w", err)
			}
			return c, err
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://admin"+path, nil)
	if err != nil {
		return nil, err
	}
	return (&http.Client{Transport: transport}).Do(request)
}

// Running reports whether a node of the home answers on its admin socket.
func (h *Home) Running() bool {
	c, err := net.DialTimeout("unix", h.AdminPath(), adminHeadTime)
	if err != nil {
		return false
	}
	_ = c.Close() // it was opened only to see whether somebody accepts
	return true
}
