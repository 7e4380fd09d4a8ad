package output

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
)

// WriteFile replaces a file whole: whoever reads it sees the old or the new one. One that is
// there keeps its mode, a new one is made as the umask says. What is no file (a device, a
// pipe, a descriptor) is written to and stays what it is.
func WriteFile(name string, data []byte) error {
	return write(name, data, renameio.WithPermissions(0o666), renameio.WithExistingPermissions())
}

// WriteFileMode is WriteFile for a file that always has the same mode, whatever the umask is.
func WriteFileMode(name string, data []byte, mode fs.FileMode) error {
	return write(name, data, renameio.WithStaticPermissions(mode))
}

func write(name string, data []byte, mode ...renameio.Option) error {
	p, err := find(name)
	if err != nil {
		return err
	}
	if p.stream {
		return p.writeThrough(data)
	}
	f, err := renameio.NewPendingFile(p.name, append(mode, renameio.WithTempDir(p.dir()))...)
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return f.CloseAtomicallyReplace()
}

// Try finds out whether a file could be written, and leaves nothing behind.
func Try(name string) error {
	p, err := find(name)
	if err != nil {
		return err
	}
	if p.stream { // opening it might be seen at its other end
		return p.writable()
	}
	if info, err := os.Stat(p.name); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder", name)
	}
	f, err := renameio.NewPendingFile(p.name, renameio.WithTempDir(p.dir()))
	if err != nil {
		return err
	}
	return f.Cleanup()
}

// Same says whether two names lead to one file, through links or another name of a folder.
func Same(a, b string) bool {
	p, errP := find(a)
	q, errQ := find(b)
	if errP != nil || errQ != nil {
		return a == b
	}
	if p.name == q.name {
		return true
	}
	i, errP := os.Stat(p.name)
	j, errQ := os.Stat(q.name)
	return errP == nil && errQ == nil && os.SameFile(i, j)
}
