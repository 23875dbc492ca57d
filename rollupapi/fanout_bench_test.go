package rollupapi_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// BenchmarkFanOut is a commit with one transaction for 1,000 readers of its namespace, until each has it. The readers
// only look for the item; they share the process, and so the CPU that is told.
func BenchmarkFanOut(b *testing.B) {
	const readers = 1000
	c := apitest.New(b)
	config := c.Config()
	config.Streams = readers
	url, _ := apitest.Start(b, rollupapi.New(config))
	var got sync.WaitGroup
	begun := make(chan error, readers)
	for range readers {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "GET /v1/stream?namespace=open&heartbeat_ms=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		go func() {
			buffer := make([]byte, 16<<10)
			for beat := false; ; {
				n, err := conn.Read(buffer)
				if err != nil {
					return
				}
				if !beat && bytes.Contains(buffer[:n], []byte("event: watermark")) {
					beat = true
					begun <- nil
				}
				for range bytes.Count(buffer[:n], []byte("event: item")) {
					got.Done()
				}
			}
		}()
	}
	for range readers {
		<-begun
	}
	spent := cpuSeconds(b)
	for n := 0; b.Loop(); n++ {
		got.Add(readers)
		c.Commit(b, []dag.Item{c.OpenItem(b, apitest.Open, fmt.Sprint("tx ", n))})
		got.Wait()
	}
	b.ReportMetric((cpuSeconds(b)-spent)*1e6/float64(b.N)/readers, "cpu-µs/reader")
}

// cpuSeconds is what the process has used.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
