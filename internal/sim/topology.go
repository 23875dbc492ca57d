package sim

import (
	_ "embed"
	"encoding/json"
	"math/rand/v2"
	"time"
)

// Topology names a matrix of one-way delays.
type Topology string

// The topologies. Validator i sits in region i modulo the number of regions.
const (
	LAN      Topology = "lan"      // one place: 2 ms, now and then ten times as long
	Regions3 Topology = "regions3" // three regions 10 to 40 ms apart
	WAN12    Topology = "wan12"    // twelve regions of the world
)

// Topologies lists all topologies.
func Topologies() []Topology { return []Topology{LAN, Regions3, WAN12} }

// How delays vary.
const (
	jitterPercent = 8  // of the delay, either way, of every message
	tailPermille  = 20 // of the messages on a LAN or among three regions take longer
	tailFactor    = 10 // up to so many times, which also reorders them
	lanDelay      = 2 * time.Millisecond
	wanProcessing = time.Millisecond // per block, on wan12
)

//go:embed wan12.json
var wan12JSON []byte

// wan12 is the measured matrix in milliseconds.
var wan12 = func() [][]float64 {
	var file struct {
		OneWay [][]float64 `json:"one_way_ms"`
	}
	if err := json.Unmarshal(wan12JSON, &file); err != nil {
		panic("sim: embedded matrix: " + err.Error())
	}
	return file.OneWay
}()

var regions3 = [][]float64{{1, 10, 40}, {10, 1, 25}, {40, 25, 1}}

// base is the mean one-way delay between two validators.
func (t Topology) base(from, to int) time.Duration {
	switch t {
	case Regions3:
		return milliseconds(regions3[from%len(regions3)][to%len(regions3)])
	case WAN12:
		return milliseconds(wan12[from%len(wan12)][to%len(wan12)])
	}
	return lanDelay
}

// processing is how long a node is busy with one block.
func (t Topology) processing() time.Duration {
	if t == WAN12 {
		return wanProcessing
	}
	return 0
}

// delay draws the delay of one message.
func (t Topology) delay(base time.Duration, random *rand.Rand) time.Duration {
	spread := base * jitterPercent / 100
	d := base - spread + time.Duration(random.Int64N(int64(2*spread)+1))
	if t != WAN12 && random.IntN(1000) < tailPermille {
		d += base * time.Duration(1+random.IntN(tailFactor))
	}
	return d
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
