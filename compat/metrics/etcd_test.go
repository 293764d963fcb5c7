package metrics

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"keelson/compat/harness"
)

// twoServers are etcd and Keelson, which were asked the same.
type twoServers struct{ etcd, keelson page }

func askBoth(t *testing.T, ask func(*testing.T, *harness.Server, *clientv3.Client)) twoServers {
	t.Helper()
	pages := map[harness.Kind]page{}
	for _, kind := range []harness.Kind{harness.Etcd, harness.Native} {
		server := harness.Start(t, harness.Options{Kind: kind, Flags: []string{"--metrics=extensive"}})
		client, err := server.Client()
		must(t, err)
		ask(t, server, client)
		pages[kind] = read(t, server.ClientURL)
		must(t, client.Close())
	}
	return twoServers{pages[harness.Etcd], pages[harness.Native]}
}

// Every family of etcd's page is on Keelson's or in `absent`, and what is there has etcd's type, labels
// and buckets.
func TestFamiliesAreEtcds(t *testing.T) {
	table := etcdFamilies(t)
	got := askBoth(t, func(t *testing.T, server *harness.Server, client *clientv3.Client) {
		requests(t, client)
		for _, path := range []string{"/health", "/livez", "/readyz"} {
			get(t, server.ClientURL+path)
		}
		get(t, server.ClientURL+"/metrics")
	})
	for name, family := range got.etcd.families {
		if kind := strings.ToLower(family.GetType().String()); table[name] != kind {
			t.Errorf("%s is a %s in etcd and %q in etcd_metrics.tsv", name, kind, table[name])
		}
	}
	for name, family := range got.keelson.families {
		if kind := strings.ToLower(family.GetType().String()); table[name] != kind {
			t.Errorf("%s is a %s here and %q in etcd_metrics.tsv", name, kind, table[name])
		}
		if theirs := got.etcd.families[name]; theirs == nil {
			t.Errorf("%s is not on etcd's page", name)
		} else if ours, theirs := shape(family), shape(theirs); ours != theirs {
			t.Errorf("%s:\nhere %s\netcd %s", name, ours, theirs)
		}
	}
	used := map[string]bool{}
	for name := range table {
		entry, found := reasonFor(name)
		used[entry] = true
		if here := got.keelson.families[name] != nil; here == found {
			t.Errorf("%s: on the page %v, reason to be absent %q", name, here, absent[entry])
		}
	}
	for entry := range absent {
		if !used[entry] {
			t.Errorf("%s is no family of etcd's", entry)
		}
	}
}

// counted are the counts that the same requests must move alike.
var counted = []string{
	"etcd_server_request_duration_seconds_count",
	"etcd_server_range_duration_seconds_count",
	"etcd_debugging_server_watch_send_loop_control_stream_duration_seconds_count",
	"etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds_count",
	"etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds_count",
	"grpc_server_handled_total",
	"grpc_server_started_total",
}

func counts(p page) map[string]string {
	out := map[string]string{}
	for series, value := range p.series {
		name, _, _ := strings.Cut(series, "{")
		if slices.Contains(counted, name) && value != "0" {
			out[sortedLabels(series)] = value
		}
	}
	return out
}

// sortedLabels writes a series with its labels by name; none of ours holds a comma.
func sortedLabels(series string) string {
	name, rest, found := strings.Cut(series, "{")
	if !found {
		return series
	}
	labels := strings.Split(strings.TrimSuffix(rest, "}"), ",")
	slices.Sort(labels)
	return name + "{" + strings.Join(labels, ",") + "}"
}

func TestTheSameRequestsCountTheSame(t *testing.T) {
	got := askBoth(t, func(t *testing.T, _ *harness.Server, client *clientv3.Client) {
		requests(t, client)
	})
	ours, theirs := counts(got.keelson), counts(got.etcd)
	if len(theirs) < 30 {
		t.Fatalf("only %d series moved", len(theirs))
	}
	for series := range maps.Keys(theirs) {
		if ours[series] != theirs[series] {
			t.Errorf("%s: %q here, %s in etcd", series, ours[series], theirs[series])
		}
		delete(ours, series)
	}
	for series, value := range ours {
		t.Errorf("%s: %s here, not in etcd", series, value)
	}
}

// requests of every kind that etcd tells apart, some of which fail.
func requests(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ctx := context.Background()
	fails := func(_ any, err error) {
		t.Helper()
		if err == nil {
			t.Error("a request that should fail does not")
		}
	}
	put, err := client.Put(ctx, "a", "1")
	must(t, err)
	fails(client.Put(ctx, "a", "1", clientv3.WithLease(77777)))
	for _, options := range [][]clientv3.OpOption{
		nil, {clientv3.WithSerializable()}, {clientv3.WithPrefix()}, {clientv3.WithCountOnly()},
	} {
		_, err = client.Get(ctx, "a", options...)
		must(t, err)
	}
	future := clientv3.WithRev(put.Header.Revision + 1000)
	fails(client.Get(ctx, "a", future))
	txns(t, client, future, fails)
	_, err = client.Delete(ctx, "nothing")
	must(t, err)
	lease, err := client.Grant(ctx, 100)
	must(t, err)
	_, err = client.Revoke(ctx, lease.ID)
	must(t, err)
	fails(client.Revoke(ctx, 77777))
	fails(client.Compact(ctx, put.Header.Revision+1000))
	_, err = client.Compact(ctx, put.Header.Revision)
	must(t, err)
	rangeStream(t, client)
	watch(t, client)
	kv := pb.NewMaintenanceClient(client.ActiveConnection())
	// Not GET: etcd writes a question for the alarms to its log, and counts it as a request.
	for _, action := range []pb.AlarmRequest_AlarmAction{
		pb.AlarmRequest_ACTIVATE, pb.AlarmRequest_DEACTIVATE,
	} {
		_, err := kv.Alarm(ctx, &pb.AlarmRequest{Action: action, Alarm: pb.AlarmType_NOSPACE})
		must(t, err)
	}
	_, err = client.MemberList(ctx)
	must(t, err)
}

func txns(t *testing.T, client *clientv3.Client, future clientv3.OpOption, fails func(any, error)) {
	ctx := context.Background()
	for _, ops := range [][]clientv3.Op{
		{clientv3.OpGet("a")},
		{clientv3.OpGet("a", clientv3.WithSerializable())},
		{clientv3.OpGet("a"), clientv3.OpPut("q", "1")},
	} {
		_, err := client.Txn(ctx).Then(ops...).Commit()
		must(t, err)
	}
	fails(client.Txn(ctx).Then(clientv3.OpGet("a", future)).Commit())
	fails(client.Txn(ctx).Then(clientv3.OpGet("a", future), clientv3.OpPut("q", "1")).Commit())
}

func rangeStream(t *testing.T, client *clientv3.Client) {
	stream, err := pb.NewKVClient(client.ActiveConnection()).RangeStream(context.Background(),
		&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("z")})
	must(t, err)
	for {
		if _, err = stream.Recv(); err != nil {
			break
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// watch opens one, lets it see events of its own, asks for its progress and cancels it; each answer is
// awaited, so that etcd sends them one by one too. On a stream of their own, a refused watch and one that
// ends by compaction: after that, etcd answers no request for progress.
func watch(t *testing.T, client *clientv3.Client) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	other := openWatch(ctx, t, client)
	if answer := other.create(&pb.WatchCreateRequest{Key: []byte("w"), RangeEnd: []byte("a")}); !answer.Canceled {
		t.Fatalf("%v instead of a refusal", answer)
	}
	other.create(&pb.WatchCreateRequest{Key: []byte("w"), StartRevision: 1})
	if answer := other.next(); answer.CompactRevision == 0 {
		t.Fatalf("%v instead of a compaction's", answer)
	}
	stream := openWatch(ctx, t, client)
	stream.create(&pb.WatchCreateRequest{Key: []byte("w")})
	for range 3 {
		_, err := client.Put(ctx, "w", "1")
		must(t, err)
		if answer := stream.next(); len(answer.Events) != 1 {
			t.Fatalf("%v instead of an event", answer)
		}
	}
	must(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{
		ProgressRequest: &pb.WatchProgressRequest{}}}))
	stream.next()
	must(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{
		CancelRequest: &pb.WatchCancelRequest{WatchId: 0}}}))
	stream.next()
}

type watchStream struct {
	pb.Watch_WatchClient
	t *testing.T
}

func openWatch(ctx context.Context, t *testing.T, client *clientv3.Client) watchStream {
	t.Helper()
	stream, err := pb.NewWatchClient(client.ActiveConnection()).Watch(ctx)
	must(t, err)
	return watchStream{stream, t}
}

func (s watchStream) next() *pb.WatchResponse {
	s.t.Helper()
	answer, err := s.Recv()
	must(s.t, err)
	return answer
}

func (s watchStream) create(request *pb.WatchCreateRequest) *pb.WatchResponse {
	s.t.Helper()
	must(s.t, s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}}))
	return s.next()
}
