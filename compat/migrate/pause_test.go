package migrate

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"keelson/compat/harness"
)

// A migration that neither asked nor told the database anything for five seconds, because it computed
// hashes of a large store, was ended by it: the limit of idle transactions that a server needs was set
// again at each of them. Here it is paused in the middle of one.
func TestATransactionMayBeIdle(t *testing.T) {
	wanted, snapshot := loadedEtcd(t)
	binary, err := harness.KeelsonBinary()
	if err != nil {
		t.Fatal(err)
	}
	p, err := harness.SharedPostgres()
	if err != nil {
		t.Fatal(err)
	}
	for attempt := range 40 {
		options, place := holder(t, harness.Postgres)
		command := exec.Command(binary, "migrate", "--from=snapshot:"+snapshot, "--to="+place)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+attempt*7%100) * time.Millisecond)
		_ = command.Process.Signal(syscall.SIGSTOP)
		time.Sleep(50 * time.Millisecond)
		idle, err := p.Exec("postgres", fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE datname = '%s' "+
			"AND state = 'idle in transaction'", harness.DatabaseOf(place)))
		if err != nil {
			t.Error(err)
		}
		if idle == "1" {
			time.Sleep(6 * time.Second)
		}
		_ = command.Process.Signal(syscall.SIGCONT)
		if err := command.Wait(); err != nil {
			t.Fatalf("paused in a transaction: %s: %v", idle, err)
		}
		if idle == "1" {
			onServer(t, options, wanted)
			return
		}
	}
	t.Fatal("it was never in the middle of a transaction")
}
