package sql

import (
	"context"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// TestAJoinedProcessHearsOfTheFirstWrite: one process alone notifies nobody. As soon as another has joined,
// what the first writes reaches a watch on the second as quickly as ever.
func TestAJoinedProcessHearsOfTheFirstWrite(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	old, joining := c.instances[0], c.instances[1]
	must(t, joining.server.Stop())
	var slow []time.Duration
	for range 6 {
		awaitThat(t, "it is alone", 5*time.Second, func() bool { return old.names(t) == "i0" })
		must(t, joining.server.Start())
		took, err := firstHeard(t.Context(), old, joining)
		must(t, err)
		t.Logf("heard after %s", took)
		if took > 300*time.Millisecond { // without being told so: up to a second
			slow = append(slow, took)
		}
		awaitThat(t, "it is a member", 5*time.Second, func() bool { return old.names(t) == "i0 i1" })
		must(t, joining.server.Stop())
	}
	if len(slow) > 1 { // one for a machine that is busy
		t.Errorf("heard late: %s", slow)
	}
}

// firstHeard is how long one write through `from` takes to a new watch on `to`.
func firstHeard(ctx context.Context, from, to *instance) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := to.awaitServing(ctx); err != nil {
		return 0, err
	}
	stream, err := pb.NewWatchClient(to.conn).Watch(ctx)
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte("first")}}}); err != nil {
		return 0, err
	}
	if _, err := stream.Recv(); err != nil {
		return 0, err
	}
	if _, err := from.put(ctx, "first", unique("v")); err != nil {
		return 0, err
	}
	acknowledged := time.Now()
	_, err = stream.Recv()
	return time.Since(acknowledged), err
}

// awaitServing dials again until a serializable read is answered, which asks nothing of the database.
func (i *instance) awaitServing(ctx context.Context) (answer *pb.RangeResponse, err error) {
	for ctx.Err() == nil {
		answer, err = i.kv.Range(ctx, &pb.RangeRequest{Key: []byte("first"), Serializable: true})
		if err == nil {
			return answer, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return answer, err
}
