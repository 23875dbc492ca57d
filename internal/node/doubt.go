package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// doubtFile is the note's name in the data directory, and of its copy in that of the log: either keeps
// the doubt, so that a lost file is not taken for certainty.
const doubtFile = "DOUBT"

// doubt is the note on disk that this validator may have signed more than its log says. The log
// alone cannot tell: once it holds an own block that others returned, it looks whole, and a node that
// stops before it has learnt the rest would go on from that block and sign a round twice.
// The note stands from the loss on until an own block made after it is durable. One goroutine at a
// time uses it.
type doubt struct {
	paths  []string
	stands bool
	self   dag.Author
	newest dag.Ref // the newest own block that was made here
}

// openDoubt reads the note of a data directory whose newest own block is last, nil for none.
func openDoubt(dir string, self dag.Author, last *dag.Verified) (*doubt, error) {
	d := &doubt{paths: []string{filepath.Join(dir, doubtFile), filepath.Join(dir, "log", doubtFile)}, self: self}
	if last != nil {
		d.newest = last.Ref()
	}
	for _, path := range d.paths {
		switch _, err := os.Stat(path); {
		case err == nil:
			d.stands = true
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("look for the note of doubt: %w", err)
		}
	}
	return d, nil
}

// raise writes the note; it is durable when raise returns.
func (d *doubt) raise() error {
	if d.stands {
		return nil
	}
	for _, path := range d.paths {
		if err := touch(path); err != nil {
			return fmt.Errorf("write the note of doubt: %w", err)
		}
	}
	d.stands = true
	return nil
}

// settle removes the note. An own block that was made after it must be durable.
func (d *doubt) settle() error {
	if !d.stands {
		return nil
	}
	for _, path := range d.paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the note of doubt: %w", err)
		}
		if err := syncDirectory(filepath.Dir(path)); err != nil {
			return fmt.Errorf("remove the note of doubt: %w", err)
		}
	}
	d.stands = false
	return nil
}

// touch makes an empty file, and returns when it is on disk.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDirectory(filepath.Dir(path)))
}

// look takes a Ready before it is written. It reports whether others returned an own block that was
// not known here, and whether the Ready has an own block that was made here since.
func (d *doubt) look(r *ordering.Ready) (shown, made bool) {
	made = len(r.Broadcast) > 0
	for _, b := range r.Broadcast {
		d.newest = b.Ref()
	}
	for _, b := range r.Persist {
		if b.Author() == d.self && b.Round() >= d.newest.Round && b.Ref() != d.newest {
			shown = true
		}
	}
	return shown, made
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
