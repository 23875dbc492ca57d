package test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// types runs a command line with the program that the first node runs, and wants it to end with the exit code 0 and to print what is wanted.
func (f *fleet) types(wanted string, args ...string) {
	f.t.Helper()
	out, err := exec.Command(f.binary(0), args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), wanted) {
		f.t.Fatalf("dunlin %s: %v, want %q in:\n%s", strings.Join(args, " "), err, wanted, out)
	}
}

// binary is the program that a node runs.
func (f *fleet) binary(i int) string { return f.command[i](f.network.Nodes[i].Home)[0] }

// TestNamespaces registers a namespace on a running network and uses it at once, at other nodes, with an
// observer and over a restart; then it is closed.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	observer := f.addObserver(freeAddress(t))
	f.start(f.all()...)
	f.untilProposing(0, 1, 2, 3)
	key := filepath.Join(f.network.Nodes[3].Home, "key.json")
	api := func(i int) string { return f.network.Nodes[i].API }

	f.types("register of namespace 77 is applied", "namespace", "register", "77:notes:open", "--key", key, "--api", api(0))
	f.types("is committed", "submit", "--api", api(0), "--namespace", "notes", "at once")
	for _, i := range []int{1, 2, 3, observer} {
		f.knows(i, 77, 1)
		f.types("is committed", "submit", "--api", api(i), "--namespace", "notes", fmt.Sprint("at node ", i))
	}
	f.kill(2)
	f.types("update of namespace 77 is applied", "namespace", "update", "notes", "--name", "diary", "--key", key, "--api", api(1))
	f.start(2)
	f.stop(observer)
	f.start(observer)
	for _, i := range f.all() {
		f.knows(i, 77, 2)
		f.types("is committed", "submit", "--api", api(i), "--namespace", "diary", fmt.Sprint("after a restart, at node ", i))
	}
	f.types("close of namespace 77 is applied", "namespace", "close", "diary", "--key", key, "--api", api(observer))
	for _, i := range f.all() {
		f.knows(i, 77, 3)
		_, err := f.clients[i].SubmitBatch(t.Context(), 77, [][]byte{[]byte("too late")})
		var refusal *client.Error
		if !errors.As(err, &refusal) || refusal.Reason != "NAMESPACE_CLOSED" {
			t.Errorf("node %d takes in what is for the closed namespace: %v", i, err)
		}
		r, err := f.clients[i].Range(t.Context(), "", 77)
		if err != nil || len(r.GetItems()) != 10 {
			t.Errorf("node %d shows %d items of the closed namespace, want 10: %v", i, len(r.GetItems()), err)
		}
	}
	f.sameNamespaces(f.all()...)
	f.checkHonest()
}

// sameNamespaces wants nodes to tell the same of all namespaces as the first of them.
func (f *fleet) sameNamespaces(nodes ...int) {
	f.t.Helper()
	first, err := f.clients[nodes[0]].Network(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, i := range nodes[1:] {
		n, err := f.clients[i].Network(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		if diff := cmp.Diff(first.GetNamespaces(), n.GetNamespaces(), protocmp.Transform()); diff != "" {
			f.t.Errorf("nodes %d and %d differ: %s", nodes[0], i, diff)
		}
	}
}

// knows waits until a node has a version of a namespace.
func (f *fleet) knows(i int, ns dag.Namespace, version uint64) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("node %d knows version %d of namespace %d", i, version, ns), func() error {
		network, err := f.clients[i].Network(f.t.Context())
		if err != nil {
			return err
		}
		for _, n := range network.GetNamespaces() {
			if n.GetId() == uint64(ns) && n.GetVersion() == version {
				return nil
			}
		}
		return errors.New("it does not")
	})
}
