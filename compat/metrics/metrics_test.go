package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"keelson/compat/harness"
)

// still says why a family keeps its value on a healthy server of one member.
var still = map[string]string{
	"etcd_cluster_version":                  "a label; 1",
	"etcd_server_version":                   "a label; 1",
	"etcd_server_id":                        "a label; 1",
	"etcd_server_feature_enabled":           "set at start, see TestFeatureGates",
	"etcd_server_quota_backend_bytes":       "set at start",
	"etcd_server_has_leader":                "one member always leads",
	"etcd_server_is_leader":                 "one member always leads",
	"etcd_server_leader_changes_seen_total": "one member elects itself before it serves",
	"etcd_server_proposals_failed_total":    "the log of one member fails only with its process",
	"etcd_server_read_indexes_failed_total": "the barrier of one member cannot fail",
	"etcd_server_slow_read_indexes_total":   "the barrier of one member does not wait",
	"os_fd_limit":                           "set at start",
	"process_max_fds":                       "set at start",
	"process_virtual_memory_max_bytes":      "set at start",
	"process_start_time_seconds":            "set at start",
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(body)
}

func TestNamesAndTypesAreEtcds(t *testing.T) {
	server := harness.Start(t, harness.Options{Kind: harness.Native})
	families := etcdFamilies(t)
	got := read(t, server.ClientURL)
	if len(got.types) < 60 {
		t.Fatalf("only %d families", len(got.types))
	}
	for name, kind := range got.types {
		if families[name] != kind {
			t.Errorf("%s is a %s here and %q in etcd", name, kind, families[name])
		}
	}
	for series := range got.series {
		if got.family(series) == "" {
			t.Errorf("%s belongs to no family", series)
		}
	}
}

func TestFeatureGates(t *testing.T) {
	for _, on := range []string{"false", "true"} {
		server := harness.Start(t, harness.Options{
			Kind: harness.Memory, Flags: []string{"--feature-gates=LeaseCheckpoint=" + on}})
		got := read(t, server.ClientURL)
		want := map[string]string{"false": "0", "true": "1"}[on]
		series := `etcd_server_feature_enabled{name="LeaseCheckpoint",stage="ALPHA"}`
		if got.series[series] != want {
			t.Fatalf("%s is %q, want %s", series, got.series[series], want)
		}
	}
}

// fleeting families may be seen moved or not: the hub's backlog is back at zero within a turn, most often
// before a page can be read. tests/shim/watch looks at it between turns.
var fleeting = map[string]bool{"etcd_debugging_mvcc_pending_events_total": true}

// Everything that a client can do, with the page read before, in the middle and after.
func TestEachFamilyMoves(t *testing.T) {
	server := harness.Start(t, harness.Options{
		Kind: harness.Native, Flags: []string{"--warning-apply-duration=1ns"}})
	client, err := server.Client()
	must(t, err)
	defer client.Close()
	before := read(t, server.ClientURL)
	moved := map[string]bool{}
	look := func() { changed(before, read(t, server.ClientURL), moved) }

	keysAndTransactions(t, client)
	leases(t, client)
	look()
	stop := unreadWatch(t, client)
	underLoad(t, client, look, func() bool { return moved["etcd_disk_backend_commit_duration_seconds"] })
	stop()
	health(t, server, client)
	maintenance(t, client)
	look()

	for name := range before.types {
		if fleeting[name] {
			continue
		}
		reason, stands := still[name]
		if stands == moved[name] {
			t.Errorf("%s: moved %v, reason to stand still %q", name, moved[name], reason)
		}
	}
}

func keysAndTransactions(t *testing.T, client *clientv3.Client) {
	ctx := context.Background()
	_, err := client.Put(ctx, "a", "1")
	must(t, err)
	_, err = client.Get(ctx, "a")
	must(t, err)
	_, err = client.Txn(ctx).Then(clientv3.OpPut("b", "2"), clientv3.OpGet("a")).Commit()
	must(t, err)
	answer, err := client.Delete(ctx, "b")
	must(t, err)
	_, err = client.Compact(ctx, answer.Header.Revision, clientv3.WithCompactPhysical())
	must(t, err)
}

func leases(t *testing.T, client *clientv3.Client) {
	ctx := context.Background()
	long, err := client.Grant(ctx, 100)
	must(t, err)
	_, err = client.KeepAliveOnce(ctx, long.ID)
	must(t, err)
	_, err = client.Revoke(ctx, long.ID)
	must(t, err)
	_, err = client.Grant(ctx, 1)
	must(t, err)
	end := time.Now().Add(15 * time.Second)
	for {
		list, err := client.Leases(ctx)
		must(t, err)
		if len(list.Leases) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a lease does not expire")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// unreadWatch opens a watch whose client does not read, which keeps events pending.
func unreadWatch(t *testing.T, client *clientv3.Client) func() {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := pb.NewWatchClient(client.ActiveConnection()).Watch(ctx)
	must(t, err)
	must(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte("load/"), RangeEnd: []byte("load0")}}}))
	return cancel
}

// underLoad writes enough for a checkpoint, and looks at the page meanwhile, so that momentary figures
// are seen to move; then it waits until `settled`.
func underLoad(t *testing.T, client *clientv3.Client, look func(), settled func() bool) {
	var writers sync.WaitGroup
	value := strings.Repeat("x", 64<<10)
	for i := range 16 {
		writers.Go(func() {
			for range 100 {
				if _, err := client.Put(context.Background(), fmt.Sprintf("load/%d", i), value); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for waiting := true; waiting; {
		look()
		select {
		case <-done:
			waiting = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	for end := time.Now().Add(20 * time.Second); !settled() && time.Now().Before(end); look() {
		time.Sleep(50 * time.Millisecond)
	}
}

func health(t *testing.T, server *harness.Server, client *clientv3.Client) {
	for path, want := range map[string]string{
		"/health": `"true"`, "/livez": "ok", "/readyz": "ok",
	} {
		if got := get(t, server.ClientURL+path); !strings.Contains(got, want) {
			t.Fatalf("%s: %q", path, got)
		}
	}
	ctx := context.Background()
	kv := pb.NewMaintenanceClient(client.ActiveConnection())
	alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, Alarm: pb.AlarmType_NOSPACE}
	_, err := kv.Alarm(ctx, alarm)
	must(t, err)
	if got := get(t, server.ClientURL+"/health"); !strings.Contains(got, "ALARM NOSPACE") {
		t.Fatalf("/health with an alarm: %q", got)
	}
	alarm.Action = pb.AlarmRequest_DEACTIVATE
	_, err = kv.Alarm(ctx, alarm)
	must(t, err)
}

func maintenance(t *testing.T, client *clientv3.Client) {
	ctx := context.Background()
	endpoint := client.Endpoints()[0]
	_, err := client.HashKV(ctx, endpoint, 0)
	must(t, err)
	_, err = pb.NewMaintenanceClient(client.ActiveConnection()).Hash(ctx, &pb.HashRequest{})
	must(t, err)
	_, err = client.Defragment(ctx, endpoint)
	must(t, err)
	snapshot, err := client.Snapshot(ctx)
	must(t, err)
	_, err = io.Copy(io.Discard, snapshot)
	must(t, err)
	must(t, snapshot.Close())
}
