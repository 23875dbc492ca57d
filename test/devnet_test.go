package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// `dunlin devnet --json` brings a network up, keeps it busy, checks it and says so.
func TestDevnet(t *testing.T) {
	for _, validators := range []int{4, 7} {
		t.Run(fmt.Sprint(validators), func(t *testing.T) {
			t.Parallel()
			d := startDevnet(t, program(t), "--validators", fmt.Sprint(validators), "--rate", "200", "--for", "5s")
			result := d.result(0)
			if result.Validators != validators || len(result.API) != validators {
				t.Errorf("%d validators with APIs %v, want %d", result.Validators, result.API, validators)
			}
			if !result.Agreement || result.Lost != 0 || result.Duplicates != 0 || len(result.Unreachable) != 0 {
				t.Errorf("not a healthy network: %+v", result)
			}
			if result.Committed < 500 || result.Committed > result.Submitted || result.Commits == 0 || result.Rounds < result.Commits {
				t.Errorf("%d of %d transactions in %d commits of %d rounds", result.Committed, result.Submitted, result.Commits, result.Rounds)
			}
			if result.Latency.P50 <= 0 || result.Latency.P99 < result.Latency.P50 || result.Latency.Samples == 0 {
				t.Errorf("latency %+v", result.Latency)
			}
			if result.Calibration.Before <= 0 || result.Calibration.After <= 0 {
				t.Errorf("calibration %+v", result.Calibration)
			}
		})
	}
}

// A script that reads network.json can kill a node, and start it again with what stands there.
func TestDevnetScript(t *testing.T) {
	t.Parallel()
	d := startDevnet(t, program(t), "--validators", "4", "--rate", "50")
	network := d.network()
	victim := network.Nodes[2]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.untilNode(2, "is gone", func(n devnet.Node) error {
		if n.PID != 0 {
			return fmt.Errorf("pid %d in %s", n.PID, devnet.NetworkFile)
		}
		return nil
	})
	before := cliStatus(t, network.Nodes[0].API)
	eventually(t, "three nodes go on", func() error {
		if now := cliStatus(t, network.Nodes[0].API); now.Commit <= before.Commit+5 {
			return fmt.Errorf("at commit %d, was at %d", now.Commit, before.Commit)
		}
		return nil
	})
	again := exec.Command(program(t), "run", "--home", victim.Home)
	again.SysProcAttr = childAttributes()
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- again.Wait() }()
	t.Cleanup(func() { _ = again.Process.Kill() })
	eventually(t, "the node that was killed proposes again", func() error {
		out, err := exec.Command(program(t), "status", "--api", victim.API, "--json").Output()
		if err != nil {
			return err
		}
		var s client.NodeStatus
		if err := json.Unmarshal(out, &s); err != nil {
			return err
		}
		if !s.Proposing || s.Reason != "" || s.Name != victim.Name || s.Peers != 3 {
			return fmt.Errorf("status %s", out)
		}
		return nil
	})
	d.untilNode(2, "is noticed", func(n devnet.Node) error {
		if n.PID != again.Process.Pid {
			return fmt.Errorf("pid %d in %s, want %d", n.PID, devnet.NetworkFile, again.Process.Pid)
		}
		return nil
	})
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if r := d.result(0); !r.Agreement || r.Lost != 0 || r.Duplicates != 0 || len(r.Unreachable) != 0 {
		t.Errorf("not a healthy network: %+v", r)
	}
	if err := <-ended; err != nil {
		t.Errorf("the node that a script started was not stopped in order: %v", err)
	}
	for _, n := range d.load().Nodes {
		if n.PID != 0 {
			t.Errorf("%s has process %d after the devnet's end", n.Name, n.PID)
		}
	}
}

// devnetRun is one run of `dunlin devnet --json`.
type devnetRun struct {
	t           *testing.T
	cmd         *exec.Cmd
	dir         string
	out, errors journal
}

// journal collects what a process writes. It is safe for concurrent use.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what comes.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// String is all that has come.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func startDevnet(t *testing.T, binary string, args ...string) *devnetRun {
	t.Helper()
	d := &devnetRun{t: t, dir: filepath.Join(t.TempDir(), "net")}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	d.cmd = exec.CommandContext(ctx, binary, append([]string{"devnet", "--json", "--home", d.dir}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.SysProcAttr = &d.out, &d.errors, childAttributes()
	// A devnet that is interrupted takes its nodes along; one that is killed cannot.
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGINT) }
	d.cmd.WaitDelay = patience / 2
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.cmd.ProcessState == nil {
			_ = d.cmd.Process.Signal(syscall.SIGINT)
			_ = d.cmd.Process.Signal(syscall.SIGINT)
			_ = d.cmd.Wait() // the test has failed already
		}
		if network, err := devnet.Load(d.dir); err == nil {
			for _, n := range network.Nodes {
				if n.PID != 0 {
					_ = syscall.Kill(n.PID, syscall.SIGKILL) // left over only where the devnet failed
				}
			}
		}
		if t.Failed() {
			t.Logf("devnet ended with %v and said:\n%s%s", d.cmd.ProcessState, d.errors.String(), d.out.String())
		}
	})
	return d
}

// result waits for the devnet's end and wants it to exit with a code.
func (d *devnetRun) result(code int) devnet.Result {
	d.t.Helper()
	err := d.cmd.Wait()
	if got := d.cmd.ProcessState.ExitCode(); got != code {
		d.t.Fatalf("devnet exits with %d (%v), want %d\n%s", got, err, code, d.errors.String())
	}
	var result devnet.Result
	strict := json.NewDecoder(strings.NewReader(d.out.String()))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&result); err != nil {
		d.t.Fatalf("standard output is not one JSON object: %v", err)
	}
	if strict.More() {
		d.t.Error("something follows the JSON object on standard output")
	}
	return result
}

func (d *devnetRun) load() *devnet.Network {
	d.t.Helper()
	network, err := devnet.Load(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	return network
}

// network waits until the devnet says that it is up and all nodes propose, and returns what
// network.json says.
func (d *devnetRun) network() *devnet.Network {
	d.t.Helper()
	var network *devnet.Network
	eventually(d.t, "the devnet is up", func() error {
		var err error
		if network, err = devnet.Load(d.dir); err != nil {
			return err
		}
		for _, n := range network.Nodes {
			if !strings.Contains(d.errors.String(), n.API) {
				return fmt.Errorf("devnet has not printed %s", n.API)
			}
		}
		for _, n := range network.Nodes {
			c, err := client.New(n.API)
			if err != nil {
				return err
			}
			defer c.Close()
			s, err := c.NodeStatus(d.t.Context())
			if err != nil {
				return err
			}
			if !s.Proposing || s.Commit == 0 || n.PID == 0 {
				return fmt.Errorf("%s is process %d and at commit %d: %s", n.Name, n.PID, s.Commit, s.Reason)
			}
		}
		return nil
	})
	return network
}

// untilNode reads network.json until one node's entry is as wanted.
func (d *devnetRun) untilNode(i int, what string, ok func(devnet.Node) error) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("node %d %s", i, what), func() error { return ok(d.load().Nodes[i]) })
}

// cliStatus is what `dunlin status --json` says.
func cliStatus(t *testing.T, api string) client.NodeStatus {
	t.Helper()
	cmd := exec.Command(program(t), "status", "--api", api, "--json")
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("status of %s: %v\n%s", api, err, errors.String())
	}
	var s client.NodeStatus
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("status of %s: %v in %s", api, err, out)
	}
	return s
}
