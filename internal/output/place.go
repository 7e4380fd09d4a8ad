package output

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// place is where a name leads to.
type place struct {
	name   string // absolute, through every link
	stream bool   // no file that could be replaced
}

// find follows the links of a name to what is there, or would be.
func find(name string) (place, error) {
	link := name
	for range 40 { // as the kernel does
		abs, err := filepath.Abs(link)
		if err != nil {
			return place{}, err
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return place{}, err
		}
		p := place{name: filepath.Join(dir, filepath.Base(abs))}
		if strings.HasPrefix(p.name, "/proc/") || strings.HasPrefix(p.name, "/dev/fd/") {
			p.stream = true // its link may name a file, which the shell has open
			return p, nil
		}
		info, err := os.Lstat(p.name)
		switch {
		case os.IsNotExist(err):
			return p, nil
		case err != nil:
			return place{}, err
		case info.Mode()&fs.ModeSymlink == 0:
			p.stream = !info.Mode().IsRegular() && !info.IsDir()
			return p, nil
		}
		if link, err = os.Readlink(p.name); err != nil {
			return place{}, err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(dir, link)
		}
	}
	return place{}, fmt.Errorf("%s: too many links", name)
}

func (p place) dir() string { return filepath.Dir(p.name) }

// writable asks without opening.
func (p place) writable() error {
	if err := syscall.Access(p.name, 2); err != nil {
		return &os.PathError{Op: "write", Path: p.name, Err: err}
	}
	return nil
}

func (p place) writeThrough(data []byte) error {
	f, err := p.open()
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// open takes a descriptor of this process as it is: opened by its name, a file would be
// written from its beginning, over what the shell has put there.
func (p place) open() (*os.File, error) {
	n, err := strconv.Atoi(filepath.Base(p.name))
	if dir := p.dir(); err != nil || dir != fmt.Sprintf("/proc/%d/fd", os.Getpid()) && dir != "/dev/fd" {
		return os.OpenFile(p.name, os.O_WRONLY|os.O_APPEND, 0)
	}
	if n, err = syscall.Dup(n); err != nil {
		return nil, &os.PathError{Op: "dup", Path: p.name, Err: err}
	}
	return os.NewFile(uintptr(n), p.name), nil
}
