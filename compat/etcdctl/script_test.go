package etcdctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keelson/compat/harness"
)

// pair starts a fresh etcd and a fresh Keelson.
func pair(t *testing.T) []*side {
	t.Helper()
	return pairWith(t)
}

func pairWith(t *testing.T, flags ...string) []*side {
	t.Helper()
	sides := make([]*side, 2)
	for i, kind := range []harness.Kind{harness.Etcd, harness.Native} {
		side, err := newSide(harness.Start(t, harness.Options{Kind: kind, Flags: flags}))
		if err != nil {
			t.Fatal(err)
		}
		sides[i] = side
	}
	return sides
}

// compare runs a command on both sides and compares what it printed.
func compare(t *testing.T, sides []*side, where, stdin string, arguments []string) {
	t.Helper()
	outputs, errs := make([]string, len(sides)), make([]error, len(sides))
	var group sync.WaitGroup
	for i, s := range sides {
		group.Go(func() { outputs[i], errs[i] = s.step(stdin, arguments) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
	}
	if outputs[0] != outputs[1] {
		t.Errorf("%s: etcdctl %s\n--- etcd\n%s\n--- keelson\n%s", where, strings.Join(arguments, " "), outputs[0], outputs[1])
	}
}

// words splits a line at spaces; double quotes hold words together.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quoted, open := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, open = !quoted, true
		case r == ' ' && !quoted:
			if open {
				out = append(out, word.String())
				word.Reset()
			}
			open = false
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		out = append(out, word.String())
	}
	return out
}

// A script is a line per call of etcdctl; `<<END` at its end feeds the lines up to END to it.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sides := pair(t)
			lines := strings.Split(string(text), "\n")
			for i := 0; i < len(lines); i++ {
				where := fmt.Sprintf("%s:%d", file, i+1)
				line, stdin := strings.TrimSpace(lines[i]), ""
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if call, feeds := strings.CutSuffix(line, "<<END"); feeds {
					line = call
					for i++; i < len(lines) && lines[i] != "END"; i++ {
						stdin += lines[i] + "\n"
					}
				}
				compare(t, sides, where, stdin, words(line))
			}
		})
	}
}
