package servers

import (
	"path/filepath"
	"runtime"
)

// projectRoot is the top folder of the source tree this program was built from.
func projectRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
