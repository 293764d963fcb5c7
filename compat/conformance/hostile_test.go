package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"keelson/compat/harness"
)

// acts is what the hostile log says at its end about what it did.
type acts struct {
	Msg                               string
	Commits, Foreign, Terms, Installs int
}

// TestHostile runs every script on a server whose log commits late and in pieces, answers barriers
// late, hands out entries of others, begins terms and installs checkpoints under live watches.
func TestHostile(t *testing.T) {
	if *rewrite {
		return
	}
	seed := harness.Seed(t)
	var lock sync.Mutex
	var sum acts
	scripts, finished := parseAll(t), 0
	t.Run("scripts", func(t *testing.T) {
		for name, script := range scripts {
			if !script.RunsOn(harness.Hostile) {
				t.Errorf("%s: every script is for the hostile log too", name)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				server := runScript(t, script, harness.Options{Kind: harness.Hostile, Flags: script.Flags,
					Env: []string{fmt.Sprintf("KEELSON_SEED=%d", seed)}})
				if err := server.Stop(); err != nil {
					t.Fatal(err)
				}
				done := lastActs(t, server.Log())
				lock.Lock()
				defer lock.Unlock()
				finished++
				sum.Commits += done.Commits
				sum.Foreign += done.Foreign
				sum.Terms += done.Terms
				sum.Installs += done.Installs
			})
		}
	})
	t.Logf("acts: %+v", sum)
	if finished < len(scripts) {
		return // failed, or only some were asked for
	}
	// A run in which none of this happened shows nothing.
	if sum.Commits == 0 || sum.Foreign == 0 || sum.Terms == 0 || sum.Installs == 0 {
		t.Errorf("the log was not hostile: %+v", sum)
	}
}

func lastActs(t *testing.T, log string) acts {
	t.Helper()
	lines := strings.Split(log, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		var line acts
		if json.Unmarshal([]byte(lines[i]), &line) == nil && line.Msg == "hostile log ends" {
			return line
		}
	}
	t.Fatal("the log does not say what it did")
	return acts{}
}
