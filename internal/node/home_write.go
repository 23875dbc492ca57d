package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// WriteKey makes the home directory dir with a config and a new key: what a future validator does
// before the network has a genesis. Nothing that is there already is overwritten. Blocks on disk.
func WriteKey(dir string, config Config, keys *crypto.Keys) error {
	if err := config.Check(); err != nil {
		return fmt.Errorf("write home: %w", err)
	}
	for _, name := range []string{ConfigFile, KeyFile, DataDir} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return homeError("choose another directory, or start the node: dunlin run --home "+dir,
				"write home: %s has a %s already", dir, name)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return homeError("choose a directory that you may write to", "write home: %w", err)
	}
	if err := crypto.WriteKeyFile(filepath.Join(dir, KeyFile), keys); err != nil {
		return homeError("choose another directory", "write home: %w", err)
	}
	return writeConfig(dir, config)
}

// WriteGenesis completes a home that WriteKey made: it stores the genesis and creates the empty
// log, which from then on proves that this key has signed nothing before. Blocks on disk.
func WriteGenesis(dir string, genesis *dag.Genesis) error {
	path := filepath.Join(dir, GenesisFile)
	if _, err := os.Lstat(path); err == nil {
		return homeError("start the node: dunlin run --home "+dir, "write home: %s has a %s already", dir, GenesisFile)
	}
	keys, err := crypto.ReadKeyFile(filepath.Join(dir, KeyFile))
	if err != nil {
		return homeError("dunlin init --home "+dir, "write home: %w", err)
	}
	if err := createData(dir, genesis, keys); err != nil {
		return err
	}
	// The genesis comes last: a home with one is complete.
	return writeNew(path, genesis.Encode(), 0o644)
}

// WriteHome makes a complete home directory: WriteKey and WriteGenesis together.
func WriteHome(dir string, config Config, genesis *dag.Genesis, keys *crypto.Keys) error {
	if err := WriteKey(dir, config, keys); err != nil {
		return err
	}
	return WriteGenesis(dir, genesis)
}

// SetBootstrap writes into a home's config.toml through which nodes the others are found. Blocks on disk.
func SetBootstrap(dir string, addresses []string) error {
	config, err := loadConfig(dir)
	if err != nil {
		return err
	}
	config.P2P.Bootstrap = addresses
	if err := config.Check(); err != nil {
		return homeError("copy the address from what dunlin init printed there", "set bootstrap: %w", err)
	}
	text, err := config.Encode()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, ConfigFile)
	next := path + ".new"
	if err := errors.Join(removeIfThere(next), writeNew(next, text, 0o644)); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(next, path), syncDirectory(dir)); err != nil {
		return homeError("look at "+path, "set bootstrap: %w", err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func writeConfig(dir string, config Config) error {
	text, err := config.Encode()
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, ConfigFile), text, 0o644)
}

// writeNew writes a file that must not exist yet and syncs it.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return homeError("choose another directory", "write home: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return homeError("look at the disk's free space", "write home: %w", err)
	}
	return nil
}
