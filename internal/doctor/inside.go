package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/sys/unix"

	"github.com/dunlin-network/dunlin/internal/node"
)

const (
	// diskSamples is how many writes are timed, of diskBlock bytes each.
	diskSamples, diskBlock = 16, 4 << 10
	// slowSync is a median from which on the disk limits how fast the node makes rounds.
	slowSync = 20 * time.Millisecond
	// fewFiles is how many open files a node needs beside its connections and streams: the database's.
	fewFiles = 512
)

// inside looks at the home and the machine.
func (v *visit) inside() {
	home, err := node.LoadHome(v.plan.Home)
	if err != nil {
		next := "look at " + v.plan.Home
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			next = hinted.Hint()
		}
		v.bad("home", next, "%v", err)
		return
	}
	v.home, v.running = home, home.Running()
	v.ok("home", "%s is the home of %s; config, genesis and key can be read, the key by its owner alone", home.Dir, role(home))
	v.ok("genesis", "network %s (%s), %d validators", home.Genesis.Chain, home.Genesis.Network(), validators(home))
	if info, err := os.Stat(home.Dir); err == nil && info.Mode().Perm()&0o022 != 0 {
		v.warn("permissions", "chmod go-w "+home.Dir, "others may write to %s", home.Dir)
	}
	v.log()
	v.space()
	v.sync()
	v.files()
	v.ports()
}

// log looks at the log of signed blocks.
func (v *visit) log() {
	data := v.home.DataDir()
	there := func(name string) bool { _, err := os.Lstat(filepath.Join(data, name)); return err == nil }
	_, validator := v.home.Author()
	switch {
	case !there("."):
		v.warn("log", "dunlin run --home "+v.home.Dir+"; with a backup: dunlin backup restore FILE --home NEW --key KEY",
			"no data in %s: the node fetches the history, and a validator asks 2f+1 others what it has signed", data)
	case there("DOUBT") && validator:
		v.warn("log", "nothing, if it runs: it asks the others what it has signed; never delete the file",
			"%s is there: the log of signed blocks was lost or restored", filepath.Join(data, "DOUBT"))
	case !there("log") && validator:
		v.warn("log", "nothing, if it runs: it asks 2f+1 others what it has signed", "the log of signed blocks is missing from %s", data)
	default:
		v.ok("log", "the log of signed blocks is there; it is checked at every start")
	}
}

// space looks at free bytes.
func (v *visit) space() {
	var stat unix.Statfs_t
	if err := unix.Statfs(v.home.Dir, &stat); err != nil {
		v.bad("disk", "look at the disk of "+v.home.Dir, "%v", err)
		return
	}
	free, least := stat.Bavail*uint64(stat.Bsize)>>20, uint64(v.home.Config.Limits.MinFreeDiskMiB)
	next := fmt.Sprintf("free space under %s, or set store.retention in %s", v.home.DataDir(), filepath.Join(v.home.Dir, node.ConfigFile))
	switch {
	case free < least:
		v.bad("disk", next, "%d MiB are free, below limits.min_free_disk_mib = %d: the node does not propose", free, least)
	case free < 2*least:
		v.warn("disk", next, "%d MiB are free; below %d the node stops proposing", free, least)
	default:
		v.ok("disk", "%d MiB are free; below %d the node stops proposing", free, least)
	}
}

// sync times how long a write takes to be durable, which every own block waits for.
func (v *visit) sync() {
	took, err := timeSync(v.home.Dir)
	switch {
	case err != nil:
		v.bad("fsync", "look at the disk of "+v.home.Dir+" and at dmesg", "%v", err)
	case took > slowSync:
		v.warn("fsync", "put the home on a disk with a faster fsync (NVMe with power-loss protection takes below 1 ms)", "a write takes %v (median) to be durable: every round waits for one", took.Round(100*time.Microsecond))
	default:
		v.ok("fsync", "a write takes %v (median) to be durable", took.Round(10*time.Microsecond))
	}
}

func timeSync(dir string) (median time.Duration, err error) {
	f, err := os.CreateTemp(dir, "doctor-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, diskBlock)
	var all []time.Duration
	for range diskSamples {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// files looks at the limit of open files. Go programs raise their own to the hard one.
func (v *visit) files() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		v.warn("files", "ulimit -Hn", "%v", err)
		return
	}
	v.judgeFiles(limit.Cur)
}

func (v *visit) judgeFiles(most uint64) {
	c := v.home.Config.Limits
	need := uint64(fewFiles + 2*(validators(v.home)+c.Observers) + c.Streams)
	if most < need {
		v.warn("files", fmt.Sprintf("ulimit -Hn %d, or LimitNOFILE=%d in the service's unit", need, need),
			"%d files may be open here; %d are needed when limits.observers and limits.streams are used up", most, need)
		return
	}
	v.ok("files", "%d files may be open here, %d may be needed", most, need)
}

// ports looks whether the ports are the node's or can be.
func (v *visit) ports() {
	if v.running {
		v.ok("running", "the node runs: it answers on %s", v.home.AdminPath())
		return
	}
	v.warn("running", "dunlin run --home "+v.home.Dir, "the node does not run")
	path := filepath.Join(v.home.Dir, node.ConfigFile)
	try := func(key, network, address string) {
		if err := canListen(network, address); err != nil {
			v.bad("ports", "set "+key+" in "+path+" to a free one, or stop the program that has it", "%s %s %s: %v", key, network, address, err)
			return
		}
		v.ok("ports", "%s %s %s is free", key, network, address)
	}
	try("api.listen", "tcp", v.home.Config.API.Listen)
	for _, a := range v.home.Listen {
		if network, address, err := dialArgs(a); err == nil {
			try("p2p.listen", network, address)
		}
	}
}

// dialArgs is the part of a multiaddr that the operating system knows.
func dialArgs(a multiaddr.Multiaddr) (network, address string, err error) {
	if _, quic := multiaddr.SplitFunc(a, func(c multiaddr.Component) bool { return c.Protocol().Code == multiaddr.P_QUIC_V1 }); quic != nil {
		a, _ = multiaddr.SplitFunc(a, func(c multiaddr.Component) bool { return c.Protocol().Code == multiaddr.P_QUIC_V1 })
	}
	return manet.DialArgs(a)
}

func canListen(network, address string) error {
	switch network {
	case "udp", "udp4", "udp6":
		c, err := net.ListenPacket(network, address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	return l.Close()
}
