package node

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

// A validator's backup is restored elsewhere while the validator goes on: the copy refuses to run and says
// why, and nobody has signed twice. When the first one is gone for good, the copy takes its place: it goes
// on where the network is, although the backup is old.
func TestBackup(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	subject := c.nodes[3]
	early := subject.submit([]byte("in the backup"))
	subject.untilCommitted(early)
	var backup bytes.Buffer
	told := 0
	made, err := ExportHome(t.Context(), &backup, subject.home, AttachConfig, func(p chronicle.Progress) { told++ })
	if err != nil || made.Head.Index == 0 || told == 0 || made.Bytes != int64(backup.Len()) {
		t.Fatalf("backup of %+v, progress %d times: %v", made, told, err)
	}
	verified, err := VerifyHistory(t.Context(), bytes.NewReader(backup.Bytes()))
	if err != nil || verified != made {
		t.Fatalf("the backup of a running node holds %+v, made %+v: %v", verified, made, err)
	}
	late := subject.submit([]byte("after the backup"))
	subject.untilCommitted(late)

	replica := c.restore(subject, backup.Bytes())
	replica.start()
	var hinted interface{ Hint() string }
	if err := replica.ended(); err == nil || !strings.Contains(err.Error(), "another node signs") || !errors.As(err, &hinted) {
		t.Fatalf("a copy of a running node ended with %v, want a refusal that says why", err)
	}
	again := subject.submit([]byte("the first one goes on"))
	subject.untilCommitted(again)
	subject.halt()

	replica.start()
	replica.untilProposing()
	fresh := replica.submit([]byte("from the restored one"))
	for _, n := range append(c.nodes[:3:3], replica) {
		n.untilCommitted(fresh)
	}
	order := replica.order()
	for _, id := range []crypto.Digest{early, late, again} {
		if times(order, id) != 1 {
			t.Errorf("the restored node has %s %d times", id, times(order, id))
		}
	}
	for _, n := range append(c.nodes[:3:3], replica) {
		if s := n.until("answers", func(client.NodeStatus) bool { return true }); s.Equivocators != 0 {
			t.Errorf("%s holds evidence against %d validators", n.home, s.Equivocators)
		}
	}
	if _, err := os.Stat(filepath.Join(replica.home, DataDir, doubtFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the restored node proposes and is still in doubt: %v", err)
	}
}

// The admin socket is its owner's alone, is gone when the node has ended, and what a killed node left there
// is in nobody's way. A stopped node's backup is the same as a running one's.
func TestAdminSocket(t *testing.T) {
	c := newCluster(t, nil)
	subject := c.nodes[0]
	path := filepath.Join(subject.home, AdminSocket)
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	quiet := func(chronicle.Progress) {}
	if _, err := ExportHome(t.Context(), &bytes.Buffer{}, subject.home, AttachGenesis, quiet); err != nil {
		t.Fatalf("a socket that nobody listens on: %v", err)
	}
	c.start()
	subject.untilCommitted(subject.submit([]byte("in the export")))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != adminMode {
		t.Fatalf("mode of the admin socket is %v: %v", info, err)
	}
	if _, err := ExportHome(t.Context(), failing{}, subject.home, AttachGenesis, quiet); !errors.Is(err, errDisk) {
		t.Errorf("export to a full disk: %v", err)
	}
	eventually(t, "export after one that failed", func() error {
		_, err := ExportHome(t.Context(), &bytes.Buffer{}, subject.home, AttachGenesis, quiet)
		return err
	})
	subject.halt()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the admin socket is there after the end: %v", err)
	}
}

var errDisk = errors.New("no space")

// failing is a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }

// restore makes another home of a node from a backup, with addresses of its own.
func (c *cluster) restore(of *running, backup []byte) *running {
	c.t.Helper()
	keys, err := crypto.ReadKeyFile(filepath.Join(of.home, KeyFile))
	if err != nil {
		c.t.Fatal(err)
	}
	addresses := freeAddresses(c.t, 2)
	r := &running{t: c.t, home: filepath.Join(c.dir, "replica"), api: "http://" + addresses[1], log: &journal{}}
	if _, err := RestoreHome(c.t.Context(), bytes.NewReader(backup), r.home, keys); err != nil {
		c.t.Fatal(err)
	}
	config, err := loadConfig(r.home)
	if err != nil {
		c.t.Fatal(err)
	}
	config.P2P.Listen, config.API.Listen = []string{listenAddress(c.t, addresses[0])}, addresses[1]
	text, err := config.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.home, ConfigFile), text, 0o644); err != nil {
		c.t.Fatal(err)
	}
	return r
}
