package output_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/leadgenctl/leadgenctl/internal/output"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, name, want string, mode os.FileMode) {
	t.Helper()
	got, err := os.ReadFile(name)
	check(t, err)
	info, err := os.Lstat(name)
	check(t, err)
	if string(got) != want || info.Mode() != mode {
		t.Errorf("%s: %q, %s; want %q, %s", name, got, info.Mode(), want, mode)
	}
}

func TestAFileIsReplacedAndKeepsItsMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"private": 0o600, "shared": 0o664, "state": 0o644} {
		check(t, os.WriteFile(at(name), []byte("old"), 0o600))
		check(t, os.Chmod(at(name), mode))
	}
	check(t, os.Mkdir(at("folder"), 0o755))
	check(t, os.WriteFile(at("umask"), []byte("old"), 0o666))
	usual, err := os.Stat(at("umask"))
	check(t, err)
	for link, to := range map[string]string{"link": "private", "chain": "link", "dangling": "folder/new", "other": "folder"} {
		check(t, os.Symlink(to, at(link)))
	}
	reader, err := os.Open(at("private"))
	check(t, err)
	defer reader.Close()
	for _, name := range []string{"chain", "shared", "dangling", "fresh"} {
		check(t, output.Try(at(name)))
		check(t, output.WriteFile(at(name), []byte("new")))
	}
	check(t, output.WriteFileMode(at("state"), []byte("new"), 0o600))
	contents(t, at("private"), "new", 0o600)
	contents(t, at("shared"), "new", 0o664)
	contents(t, at("state"), "new", 0o600)
	contents(t, at("fresh"), "new", usual.Mode())
	contents(t, at("folder/new"), "new", usual.Mode())
	if old, err := io.ReadAll(reader); err != nil || string(old) != "old" {
		t.Errorf("who had the file open reads %q (%v)", old, err)
	}
	for _, link := range []string{"link", "chain", "dangling"} {
		if _, err := os.Readlink(at(link)); err != nil {
			t.Error(err)
		}
	}
	if hidden, _ := filepath.Glob(at(".*")); len(hidden) != 0 {
		t.Errorf("left over: %v", hidden)
	}
	check(t, os.Link(at("private"), at("hard")))
	for pair, want := range map[[2]string]bool{{"chain", "private"}: true, {"hard", "private"}: true, {"other/x", "folder/x"}: true,
		{"dangling", "folder/new"}: true, {"private", "shared"}: false, {"folder/x", "x"}: false} {
		if got := output.Same(at(pair[0]), at(pair[1])); got != want {
			t.Errorf("%v are the same file: %v", pair, got)
		}
	}
	for _, bad := range []string{"folder", "other", "no/such"} {
		if err := output.Try(at(bad)); err == nil {
			t.Errorf("%s can be written", bad)
		}
	}
}

// A pipe or an open descriptor gets the text and stays what it is.
func TestWhatIsNoFileIsWrittenThrough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	check(t, syscall.Mkfifo(fifo, 0o600))
	end, err := os.OpenFile(fifo, os.O_RDWR, 0)
	check(t, err)
	defer end.Close()
	for range 2 {
		check(t, output.Try(fifo))
		check(t, output.WriteFile(fifo, []byte("new")))
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(end, got); err != nil || string(got) != "newnew" {
		t.Errorf("%q %v", got, err)
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe became %v (%v)", info, err)
	}

	name := filepath.Join(dir, "redirected")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	check(t, err)
	defer file.Close()
	for _, text := range []string{"before ", "", " after"} {
		if text != "" {
			_, err = file.WriteString(text)
			check(t, err)
			continue
		}
		descriptor := fmt.Sprintf("/dev/fd/%d", file.Fd())
		check(t, output.Try(descriptor))
		check(t, output.WriteFile(descriptor, []byte("new")))
	}
	contents(t, name, "before new after", 0o600)
}
