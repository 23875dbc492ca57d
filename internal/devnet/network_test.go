package devnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
)

// TestMain lets the test binary stand in for a node: `run --home HOME` writes the lock file and
// waits for a signal.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "run" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		fmt.Println("runs")
		lock := filepath.Join(os.Args[3], node.DataDir, "LOCK") // last: who sees it may end this process
		if err := os.WriteFile(lock, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		<-ctx.Done()
		return
	}
	os.Exit(m.Run())
}

func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	created, err := Create(dir, Plan{Validators: 5})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(created, loaded, cmp.AllowUnexported(Network{})); diff != "" {
		t.Errorf("network.json changed it:\n%s", diff)
	}
	used := make(map[string]bool)
	for i, n := range loaded.Nodes {
		home, err := node.LoadHome(n.Home)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := home.Author(); !ok || a != dag.Author(i) {
			t.Errorf("%s is author %v %v, want %d", n.Name, a, ok, i)
		}
		if home.Genesis.Network() != loaded.NetworkID || len(home.Peers) != 4 {
			t.Errorf("%s: network %v, %d peers", n.Name, home.Genesis.Network(), len(home.Peers))
		}
		for _, address := range []string{"http://" + home.Config.API.Listen, home.Config.P2P.Listen[0]} {
			if used[address] {
				t.Errorf("%s is used twice", address)
			}
			used[address] = true
		}
		if n.API != "http://"+home.Config.API.Listen || !strings.HasPrefix(n.P2P, home.Config.P2P.Listen[0]+"/p2p/") {
			t.Errorf("network.json says %s and %s, the config %v", n.API, n.P2P, home.Config)
		}
	}
	if _, err := Create(dir, Plan{Validators: 5}); err == nil || !strings.Contains(err.Error(), "holds a network already") {
		t.Errorf("a second network in the same directory: %v", err)
	}
}

func TestCreateOnHosts(t *testing.T) {
	hosts := []string{"10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.0.4"}
	n, err := Create(filepath.Join(t.TempDir(), "net"), Plan{Validators: 4, Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	for i, node := range n.Nodes {
		if node.API != "http://"+hosts[i]+":8080" || !strings.HasPrefix(node.P2P, "/ip4/"+hosts[i]+"/tcp/4001/p2p/") {
			t.Errorf("%+v, want host %s", node, hosts[i])
		}
	}
}

func TestCreateErrors(t *testing.T) {
	tests := []struct {
		plan Plan
		want string
	}{
		{Plan{Validators: 3}, "3 validators, want 4 to 256"},
		{Plan{Validators: 257}, "257 validators"},
		{Plan{Validators: 4, Hosts: []string{"10.0.0.1"}}, "1 hosts for 4 validators"},
		{Plan{Validators: 4, Hosts: []string{"a", "b", "c", "d"}}, "no IPv4 address"},
		{Plan{Validators: 4, APIPort: 65534}, "do not exist"},
		{Plan{Validators: 4, APIPort: -1}, "do not exist"},
	}
	for _, test := range tests {
		_, err := Create(filepath.Join(t.TempDir(), "net"), test.plan)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.plan, err, test.want)
		}
		var advice interface{ Hint() string }
		if !errors.As(err, &advice) || advice.Hint() == "" {
			t.Errorf("%+v: %v says not what to do", test.plan, err)
		}
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
}

// eventually waits for a condition that must come true, however slow the machine is.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for !condition() {
		if t.Context().Err() != nil {
			t.Fatal(what + " never happened")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestFleet(t *testing.T) {
	n, err := Create(filepath.Join(t.TempDir(), "net"), Plan{Validators: 4})
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(binary, n)
	t.Cleanup(func() { _ = f.stop(context.Background()) })
	if err := f.start(); err != nil {
		t.Fatal(err)
	}
	saved, err := Load(n.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for i, node := range saved.Nodes {
		eventually(t, node.Name+" running", func() bool { return lockHolder(node.Home) == node.PID })
		if node.PID == 0 || !runsHome(node.PID, node.Home) || runsHome(os.Getpid(), node.Home) {
			t.Fatalf("%s: process %d", node.Name, node.PID)
		}
		if f.ended(i) != "" {
			t.Fatalf("%s has ended: %s", node.Name, f.ended(i))
		}
	}
	if err := newFleet(binary, saved).start(); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second devnet in the same directory: %v", err)
	}

	// A script kills one and starts it again: devnet follows and stops it in the end.
	victim := saved.Nodes[1]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of n1", func() bool { return f.ended(1) == "signal: killed" })
	if err := f.seen(1); err != nil || f.ended(1) == "" {
		t.Fatalf("a dead node is taken for a new one (%v)", err)
	}
	again := exec.Command(binary, "run", "--home", victim.Home)
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Process.Kill() }) // if the fleet did not stop it
	eventually(t, "n1 running again", func() bool { return lockHolder(victim.Home) == again.Process.Pid })
	if err := f.seen(1); err != nil || f.ended(1) != "" {
		t.Fatalf("the new process of n1 is not noticed: %q, %v", f.ended(1), err)
	}
	if saved, err = Load(n.Dir()); err != nil || saved.Nodes[1].PID != again.Process.Pid {
		t.Errorf("network.json names process %d of n1, want %d (%v)", saved.Nodes[1].PID, again.Process.Pid, err)
	}
	waited := make(chan error, 1)
	go func() { waited <- again.Wait() }()
	if err := f.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("n1 did not stop in order: %v", err)
	}
	for i, node := range f.snapshot() {
		if node.PID != 0 || i != 1 && f.ended(i) != "stopped" {
			t.Errorf("%s: process %d, ended %q", node.Name, node.PID, f.ended(i))
		}
		if log, err := os.ReadFile(filepath.Join(node.Home, "node.log")); err != nil || string(log) != "runs\n" {
			t.Errorf("node.log of %s: %q, %v", node.Name, log, err)
		}
	}
	if f.cpuSeconds() <= 0 {
		t.Error("the processes took no time")
	}
}
