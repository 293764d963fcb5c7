// Package harness starts real servers for the black-box tests: etcd or Keelson by path, on loopback,
// in folders of their own. Whatever ends the test (return, panic, timeout, a kill) ends them too.
package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Root is the checkout that this source file was built from.
func Root() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		panic("harness: no caller information")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Tool gives the path of a tool that compat/tools/build makes (etcd, etcdctl, etcdutl,
// kube-apiserver). KEELSON_TOOLS names another folder. A missing tool is an error, never a skip.
func Tool(name string) (string, error) {
	folder := os.Getenv("KEELSON_TOOLS")
	if folder == "" {
		folder = filepath.Join(Root(), "compat", "bin")
	}
	return executable(filepath.Join(folder, name), "run compat/tools/build "+name)
}

// KeelsonBinary gives the server under test: KEELSON_BIN, or the release build.
func KeelsonBinary() (string, error) {
	path := os.Getenv("KEELSON_BIN")
	if path == "" {
		path = filepath.Join(Root(), "build", "release", "keelson")
	}
	return executable(path, "run ./dev build, or set KEELSON_BIN")
}

// TestBinary gives a program that is built for the tests, by its path in the build folder:
// KEELSON_BUILD, or the release build's.
func TestBinary(path string) (string, error) {
	build := os.Getenv("KEELSON_BUILD")
	if build == "" {
		build = filepath.Join(Root(), "build", "release")
	}
	return executable(filepath.Join(build, path), "run ./dev build, or set KEELSON_BUILD")
}

func executable(path, advice string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%w (%s)", err, advice)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is not executable (%s)", path, advice)
	}
	return path, nil
}

// Proving tells whether this is the full form of a suite (`./dev prove`).
func Proving() bool { return os.Getenv("KEELSON_PROVE") != "" }
