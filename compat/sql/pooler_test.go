package sql

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"keelson/compat/harness"
)

// TestBehindAPooler: with few server connections for two processes, so that a session meets another one
// at every transaction.
func TestBehindAPooler(t *testing.T) {
	t.Parallel()
	p := harness.StartPostgres(t)
	for name, how := range map[string]struct {
		mode    string
		servers int
		listen  bool
	}{
		"transactions":        {"transaction", 3, false},
		"sessions":            {"session", 20, true},
		"sessions, by asking": {"session", 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			url, err := p.CreateDatabase()
			must(t, err)
			c := &cluster{t: t, postgres: p, database: harness.DatabaseOf(url),
				flags: []string{fmt.Sprintf("--backend-listen=%t", how.listen)}}
			pooled := p.URLVia(harness.StartPgBouncer(t, p, how.mode, how.servers), c.database)
			for i := range 2 {
				c.add(harness.Options{Kind: harness.Postgres, Name: fmt.Sprintf("i%d", i), Database: pooled, Flags: c.flags}, nil)
			}
			workOnBoth(t, c)
			// What it has read from the tables must be what it had.
			must(t, c.instances[1].server.Restart())
			last, err := c.awaitAll()
			must(t, err)
			must(t, c.equalHashes(last))
		})
	}
}

// workOnBoth writes through each of two and reads through the other, with a watch.
func workOnBoth(t *testing.T, c *cluster) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := pb.NewWatchClient(c.instances[1].conn).Watch(ctx)
	must(t, err)
	must(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte("pooled")}}}))
	_, err = stream.Recv()
	must(t, err)
	for i := range 100 {
		from, to := c.instances[i%2], c.instances[1-i%2]
		value := unique("v")
		_, err := from.put(t.Context(), "pooled", value)
		must(t, err)
		answer, err := to.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("pooled")})
		if err != nil || len(answer.Kvs) != 1 || string(answer.Kvs[0].Value) != value {
			t.Fatalf("%d: %v %v", i, answer, err)
		}
		event, err := stream.Recv()
		if err != nil || len(event.Events) != 1 || string(event.Events[0].Kv.Value) != value {
			t.Fatalf("%d: %v %v", i, event, err)
		}
	}
	for _, one := range c.instances {
		for _, trouble := range []string{"prepared statement", "lost the connection", "housekeeping in the database failed"} {
			if log := one.server.Log(); strings.Contains(log, trouble) {
				t.Errorf("instance %d: %s\n%s", one.index, trouble, one.server.LogTail(2000))
			}
		}
	}
}

// TestAPoolerOfTransactionsIsRefusedNotify: its watches would be late, and nothing would say why.
func TestAPoolerOfTransactionsIsRefusedNotify(t *testing.T) {
	t.Parallel()
	p := harness.StartPostgres(t)
	url, err := p.CreateDatabase()
	must(t, err)
	pooled := p.URLVia(harness.StartPgBouncer(t, p, "transaction", 5), harness.DatabaseOf(url))
	if text := refusal(t, pooled); !strings.Contains(text, "--backend-listen=false") {
		t.Errorf("%q does not say what to do", text)
	}
	_, err = p.Exec("postgres", "ALTER ROLE keelson SET synchronous_commit = off")
	must(t, err)
	fresh := p.URLVia(harness.StartPgBouncer(t, p, "transaction", 5), harness.DatabaseOf(url))
	if text := refusal(t, fresh, "--backend-listen=false"); !strings.Contains(text, "synchronous_commit") {
		t.Errorf("%q does not name the setting", text)
	}
}
