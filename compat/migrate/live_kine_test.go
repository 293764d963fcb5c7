package migrate

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"keelson/compat/harness"
)

// contend writes as API servers do that all want the same keys. Those that lose make kine draw ids
// that no row ever has.
func contend(seed uint64, s *harness.Server, stop *atomic.Bool, done chan<- error) {
	conn, err := s.Dial()
	if err != nil {
		done <- err
		return
	}
	defer conn.Close()
	l := newLoader(seed)
	l.kv, l.leases = pb.NewKVClient(conn), pb.NewLeaseClient(conn)
	for i := 0; !stop.Load(); i++ {
		_ = l.apiServerOperation()
		time.Sleep(2 * time.Millisecond)
		if i%20 == 0 {
			_ = l.passing()
		}
	}
	done <- nil
}

// passing puts a key that kine removes after a second.
func (l *loader) passing() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	granted, err := l.leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 1})
	if err != nil {
		return err
	}
	key := fmt.Appendf(nil, "/registry/passing/%d", l.random.Int64())
	_, err = l.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{Target: pb.Compare_MOD, Key: key, TargetUnion: &pb.Compare_ModRevision{}}},
		Success: []*pb.RequestOp{put(key, l.value(), granted.ID)}})
	return err
}

// plainEvents are what kine and etcd both tell of an event, in order.
func plainEvents(t *testing.T, s *harness.Server, from int64) *watched {
	t.Helper()
	plain := func(event *clientv3.Event) string {
		text := fmt.Sprintf("%d %s %s", event.Kv.ModRevision, event.Type, event.Kv.Key)
		if event.Type == clientv3.EventTypePut {
			text += fmt.Sprintf(" created %d lease %d %s", event.Kv.CreateRevision, event.Kv.Lease, event.Kv.Value)
		}
		return text
	}
	return watch(t, s, plain, "/registry/", clientv3.WithPrefix(), clientv3.WithRev(from))
}

// A kine that is in use is left without its clients noticing more than a change of address.
func TestLiveFromKine(t *testing.T) {
	seed := harness.Seed(t)
	for _, database := range []string{"sqlite", "postgres"} {
		if !harness.Proving() && (seed%2 == 0) != (database == "sqlite") {
			continue
		}
		t.Run(database, func(t *testing.T) { liveFromKine(t, database, seed) })
	}
}

func liveFromKine(t *testing.T, database string, seed uint64) {
	file := filepath.Join(t.TempDir(), "kine.db")
	// What is compacted is seconds old: a migration that was killed must not find it gone.
	options := harness.Options{Kind: harness.Kine, Dir: t.TempDir(),
		Flags:    []string{"--compact-interval=1s", "--compact-min-retain=5000"},
		Database: "sqlite://" + file + "?_journal_mode=WAL&_busy_timeout=30000"}
	place := "kine-sqlite:" + file
	if database == "postgres" {
		options.Database = strings.Replace(newDatabase(t), "&gssencmode=disable", "", 1)
		place = "kine-" + options.Database
	}
	from := harness.Start(t, options)
	var stop atomic.Bool
	done := make(chan error, 3)
	for i := range uint64(3) {
		go contend(seed+i, from, &stop, done)
	}
	time.Sleep(time.Second)
	to := seededFrom(t, place, harness.Native, "--while-in-use")
	l := startLiveFrom(t, place, to)
	if err := to.Start(); err != nil {
		t.Fatal(err)
	}
	first := revisionOf(t, to) + 1
	l.await("; following.")
	source, destination := plainEvents(t, from, first), plainEvents(t, to, first)
	rounds := 1
	if harness.Proving() {
		rounds = 20
	}
	for range rounds {
		time.Sleep(500 * time.Millisecond)
		restart(t, to)
		time.Sleep(500 * time.Millisecond)
		l.daemon.Kill()
		l.start()
		l.await("; following.")
	}
	moving(t, from)
	l.signal(syscall.SIGUSR1)
	l.await("not yet: " + "kine-")
	stop.Store(true)
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	said, good := l.cutOver()
	if !good {
		t.Fatal(said)
	}
	if difference := unequal(seenPlain(t, from), seenPlain(t, to)); difference != "" {
		t.Fatal(difference)
	}
	last := revisionOf(t, from)
	sameEvents(t, from, to, source, destination)
	t.Logf("%d revisions; %s", last, said[strings.LastIndex(said, "note:")+1:])
}
