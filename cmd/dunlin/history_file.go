package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// progressEvery is how often the progress of a long command is printed.
const progressEvery = 2 * time.Second

// historyFile is an exported history that is read for long: it says every now and then how much of it has been read.
type historyFile struct {
	file       *os.File
	out        io.Writer
	read, size int64 // bytes
	every      time.Duration
	said       time.Time
}

// openHistory opens a history; what is said of it goes to out.
func openHistory(path string, out io.Writer) (*historyFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &historyFile{file: f, out: out, size: info.Size(), every: progressEvery, said: time.Now()}, nil
}

// Read implements io.Reader.
func (f *historyFile) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	f.read += int64(n)
	if time.Since(f.said) >= f.every {
		f.said = time.Now()
		fmt.Fprintf(f.out, "%s: %d of %d MiB\n", f.file.Name(), f.read>>20, f.size>>20)
	}
	return n, err
}

// Close implements io.Closer.
func (f *historyFile) Close() error { return f.file.Close() }
