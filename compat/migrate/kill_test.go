package migrate

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keelson/compat/harness"
)

// A run that is killed at any moment leaves nothing that counts as a store with data, and the same
// command does it all.
func TestKilledAtAnyMoment(t *testing.T) {
	wanted, snapshot := loadedEtcd(t)
	binary, err := harness.KeelsonBinary()
	if err != nil {
		t.Fatal(err)
	}
	rounds := 5
	if harness.Proving() {
		rounds = 60
	}
	for _, kind := range []harness.Kind{harness.SQLite, harness.Postgres, harness.Native} {
		options, place := holder(t, kind)
		killed, whole := 0, false
		for i := 0; i < rounds && !whole; i++ {
			command := exec.Command(binary, "migrate", "--from=snapshot:"+snapshot, "--to="+place)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i*150/rounds) * time.Millisecond)
			_ = command.Process.Kill()
			if command.Wait() != nil {
				killed++
			}
			whole = isWhole(t, place, wanted)
		}
		t.Logf("%s: killed %d times, %t whole", kind, killed, whole)
		if !whole {
			// PostgreSQL may finish the commit of a killed client after isWhole has looked.
			if _, err := migrate("snapshot:"+snapshot, place); err != nil && !isWhole(t, place, wanted) {
				t.Fatal(err)
			}
		}
		onServer(t, options, wanted)
	}
}

// isWhole looks at what a killed run left: no store, marked tables, or all of it.
func isWhole(t *testing.T, place string, wanted content) bool {
	t.Helper()
	out, err := migrate(place, "snapshot:"+filepath.Join(t.TempDir(), "copy"))
	if err != nil {
		for _, nothing := range []string{"there is no file", "there is no data directory", "has no tables of Keelson",
			"was not finished"} {
			if strings.Contains(out, nothing) {
				return false
			}
		}
		t.Fatal(err)
	}
	if !strings.Contains(out, fmt.Sprintf("HashKV %d\n", wanted.Hash)) {
		t.Fatalf("half a store: %s", out)
	}
	return true
}
