package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A key file appears whole or not at all: its content is first written and synced as path.new, which is created
// exclusively and therefore is the lock between two commands, then put in place in one step. A path.new that a
// killed command left behind is reported, not removed: somebody must look at it.

// link puts content at path unless something is there.
func link(path string, content []byte) error {
	side, err := lock(path)
	if err != nil {
		return err
	}
	err = write(side, content)
	if err == nil {
		err = os.Link(side.Name(), path)
	}
	err = errors.Join(fileError(path, err), os.Remove(side.Name()))
	if err != nil {
		return err
	}
	return syncFolder(path)
}

// replace puts at path what content makes of it. Content runs under the lock, so that two commands cannot both
// start from the same file and one of them lose the other's key.
func replace(path string, content func() ([]byte, error)) error {
	side, err := lock(path)
	if err != nil {
		return err
	}
	b, err := content()
	if err != nil {
		return errors.Join(err, side.Close(), os.Remove(side.Name()))
	}
	err = write(side, b)
	if err == nil {
		err = os.Rename(side.Name(), path) // this also ends the lock
	}
	if err != nil {
		return errors.Join(fileError(path, err), os.Remove(side.Name()))
	}
	return syncFolder(path)
}

func lock(path string) (*os.File, error) {
	side := path + ".new"
	f, err := os.OpenFile(side, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: another command runs or was interrupted: %w", side, ErrExists)
	}
	return f, fileError(path, err)
}

func write(side *os.File, content []byte) error {
	_, err := side.Write(content)
	if err == nil {
		err = side.Sync()
	}
	return errors.Join(err, side.Close())
}

func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fileError(path, err)
	}
	return fileError(path, errors.Join(folder.Sync(), folder.Close()))
}

func fileError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", path, ErrExists)
	default:
		return fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
}
