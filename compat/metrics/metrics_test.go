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

func TestCallsAreTimedOnlyWhenAsked(t *testing.T) {
	for flag, want := range map[string]bool{"basic": false, "extensive": true} {
		server := harness.Start(t, harness.Options{
			Kind: harness.Memory, Flags: []string{"--metrics=" + flag}})
		got := read(t, server.ClientURL).families["grpc_server_handling_seconds"] != nil
		if got != want {
			t.Errorf("--metrics=%s: shown %v", flag, got)
		}
	}
}

// Everything that a client can do, with the page read before, in the middle and after.
func TestEachFamilyMoves(t *testing.T) {
	server := harness.Start(t, harness.Options{
		Kind: harness.Native, Flags: []string{"--warning-apply-duration=1ns", "--metrics=extensive",
			"--watch-progress-notify-interval=100ms"}})
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
	health(t, server, client, look)
	maintenance(t, client, look)
	look()

	for name := range before.families {
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
		CreateRequest: &pb.WatchCreateRequest{
			Key: []byte("load/"), RangeEnd: []byte("load0"), ProgressNotify: true}}}))
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

func health(t *testing.T, server *harness.Server, client *clientv3.Client, look func()) {
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
	look()
	alarm.Action = pb.AlarmRequest_DEACTIVATE
	_, err = kv.Alarm(ctx, alarm)
	must(t, err)
}

func maintenance(t *testing.T, client *clientv3.Client, look func()) {
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
	_, err = snapshot.Read(make([]byte, 1))
	must(t, err)
	look() // it is open
	_, err = io.Copy(io.Discard, snapshot)
	must(t, err)
	must(t, snapshot.Close())
}
