package kill

import (
	"flag"
	"os"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"keelson/compat/harness"
)

var livesFlag = flag.Int("lives", 0, "kills (default 12; KEELSON_PROVE raises it)")

// keep copies the data of a failed run to KEELSON_KEEP, if that is set.
func keep(t *testing.T, server *harness.Server) {
	folder := os.Getenv("KEELSON_KEEP")
	if folder == "" {
		return
	}
	server.Kill()
	if err := os.CopyFS(folder, os.DirFS(server.Options.Dir)); err != nil {
		t.Log(err)
	}
}

func kills(t *testing.T, kind harness.Kind, seed uint64, lives int) {
	t.Helper()
	options := harness.Options{Kind: kind}
	var database *harness.PostgresServer
	if kind == harness.Postgres { // one of its own, for it is killed too
		database = harness.StartPostgres(t)
		var err error
		if options.Database, err = database.CreateDatabase(); err != nil {
			t.Fatal(err)
		}
	}
	server := harness.Start(t, options)
	r := newRun(server, seed)
	r.database = database
	for life := range lives {
		if err := r.live(life); err != nil {
			keep(t, server)
			t.Fatalf("life %d of %d: %v", life, lives, err)
		}
	}
	t.Logf("%d kills, %d of starts, %d of the database; %d acknowledged writes, revision %d, compacted %d, %d leases", lives,
		r.aborts, r.crashes, r.calls, r.model.revision, r.model.compacted, len(r.leases))
	if r.calls < lives*10 {
		t.Fatalf("only %d writes in %d lives: not under load", r.calls, lives)
	}
}

func lives() int {
	switch {
	case *livesFlag > 0:
		return *livesFlag
	case harness.Proving():
		return 300
	}
	return 12
}

func TestNothingAcknowledgedIsLost(t *testing.T) { kills(t, harness.Native, harness.Seed(t), lives()) }

// TestSQL does the same on the logs in SQL, which take turns in the short form. The database is killed
// with the server, before it or after it.
func TestSQL(t *testing.T) {
	seed := harness.Seed(t)
	for _, kind := range harness.Turn(t, seed, harness.SQLite, harness.Postgres) {
		t.Run(string(kind), func(t *testing.T) { kills(t, kind, seed, lives()) })
	}
}

// The checks themselves are checked: they accept what etcd does, and refuse each kind of damage.
func TestTheChecksAcceptEtcd(t *testing.T) { kills(t, harness.Etcd, harness.Seed(t), 3) }

// revisions of a put: the key's first, this one, and how many there are.
type revisions struct{ create, mod, version int64 }

func put(key, value string, at revisions, before *mvccpb.KeyValue) []*mvccpb.Event {
	return []*mvccpb.Event{{PrevKv: before, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value),
		CreateRevision: at.create, ModRevision: at.mod, Version: at.version}}}
}

func expectError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, expected an error with %q", err, text)
	}
}

func TestTheChecksRefuseDamage(t *testing.T) {
	first := put("a", "1", revisions{2, 2, 1}, nil)
	known := func() *ledger {
		l := newLedger()
		l.acknowledge(2, signature(first))
		return l
	}
	if l := known(); l.check(2, first) != nil || l.settle(2) != nil {
		t.Fatal("a correct history is refused")
	}
	expectError(t, known().settle(1), "is lost")
	expectError(t, known().check(2, put("a", "other", revisions{2, 2, 1}, nil)), "was acknowledged as")
	expectError(t, known().check(3, first), "written by nobody")
	l := known()
	l.acknowledge(2, "P:b")
	expectError(t, l.errs[0], "acknowledged twice")
	l = newLedger()
	l.saw(5, first)
	expectError(t, l.settle(4), "which a watch delivered")
	l = newLedger()
	l.readAt(9, nil)
	expectError(t, l.settle(8), "a client saw revision 9")
	l = newLedger()
	l.leaseGranted(7)
	expectError(t, l.settleLeases(map[int64]bool{}, map[int64]bool{}), "lease 7 is lost")
	l.leaseRevoked(7)
	expectError(t, l.settleLeases(map[int64]bool{}, map[int64]bool{7: true}), "but lives")
}

func TestTheModelRefusesGapsAndWrongStates(t *testing.T) {
	m := newModel()
	expectError(t, m.apply(3, put("a", "1", revisions{3, 3, 1}, nil)), "follows")
	if err := m.apply(2, put("a", "1", revisions{2, 2, 1}, nil)); err != nil {
		t.Fatal(err)
	}
	expectError(t, m.apply(3, put("a", "2", revisions{2, 3, 2}, nil)), "previous value")
	m.revision = 2
	expectError(t, m.apply(3, put("b", "2", revisions{2, 3, 2}, nil)), "expected create 3")
}
