package output

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Lock keeps other processes from a file that WriteFile replaces, until release is called
// or the process ends; ok is false where another has it. The folder is made.
func Lock(name string) (release func(), ok bool, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, false, err
	}
	h, err := os.OpenFile(name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	if err := syscall.Flock(int(h.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		h.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, false, nil
		}
		return nil, false, err
	}
	return func() { h.Close() }, true, nil
}
