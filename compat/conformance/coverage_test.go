package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The rows of coverage.tsv: every error of etcd's client API and every observed behaviour of its RPCs.
const (
	errorRows     = 79
	behaviourRows = 61
)

// TestCoverage holds tests/conformance/coverage.tsv against the scripts: each row has cases that exist
// and show what they should (the needle), or belongs to RPCs that MATRIX.md calls unbuilt, or says why
// one member alone cannot show it.
func TestCoverage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder(), "coverage.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, states := parseAll(t), matrix(t)
	seen := map[string]bool{}
	errors, proven := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		cells := strings.Split(line, "\t")
		if len(cells) != 3 || seen[cells[0]] {
			t.Errorf("bad or repeated row %q", line)
			continue
		}
		seen[cells[0]] = true
		if strings.HasPrefix(cells[0], "error.") {
			errors++
		}
		if method, ok := strings.CutPrefix(cells[1], "unbuilt:"); ok {
			if states["/"+method] != "UNIMPLEMENTED" {
				t.Errorf("%s: %s is %q now; the row needs a case", cells[0], method, states["/"+method])
			}
			continue
		}
		if cells[1] == "unreachable" {
			if len(cells[2]) < 10 {
				t.Errorf("%s: no reason why it cannot be shown", cells[0])
			}
			continue
		}
		proven++
		checkProof(t, scripts, cells)
	}
	t.Logf("%d rows: %d of errors, %d of behaviours; %d proven by cases",
		len(seen), errors, len(seen)-errors, proven)
	if errors != errorRows || len(seen)-errors != behaviourRows {
		t.Errorf("%d error rows and %d behaviour rows, want %d and %d",
			errors, len(seen)-errors, errorRows, behaviourRows)
	}
}

func checkProof(t *testing.T, scripts map[string]*Script, cells []string) {
	for _, proof := range strings.Split(cells[1], ",") {
		file, name, _ := strings.Cut(proof, ":")
		script := scripts[file]
		if script == nil || script.Case(name) == nil {
			t.Errorf("%s: there is no case %s", cells[0], proof)
			continue
		}
		var shown strings.Builder
		for _, command := range script.Case(name).Commands {
			shown.WriteString(command.Expected + "\n")
		}
		if cells[2] != "-" && !strings.Contains(shown.String(), cells[2]) {
			t.Errorf("%s: case %s does not show %q", cells[0], proof, cells[2])
		}
	}
}
