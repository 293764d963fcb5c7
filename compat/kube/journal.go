package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"keelson/compat/harness"
)

// journal is a watch of the whole store beside the API server, resumed by revision after every kill.
// It demands that each revision comes exactly once, in order, with the right previous values.
type journal struct {
	server *harness.Server

	lock    sync.Mutex
	last    int64 // revision
	keys    map[string]*mvccpb.KeyValue
	changes []change // name holds the key
	resumed int
	err     error
}

func startJournal(ctx context.Context, group *sync.WaitGroup, server *harness.Server) *journal {
	j := &journal{server: server, last: 1, keys: map[string]*mvccpb.KeyValue{}}
	group.Go(func() {
		conn, err := server.Dial()
		if err != nil {
			j.err = err
			return
		}
		defer conn.Close()
		for ctx.Err() == nil {
			if err := j.follow(ctx, conn); errors.Is(err, errWrong) {
				j.lock.Lock()
				j.err = err
				j.lock.Unlock()
				return
			}
			j.lock.Lock()
			j.resumed++
			j.lock.Unlock()
			time.Sleep(20 * time.Millisecond)
		}
	})
	return j
}

func (j *journal) position() int64 {
	j.lock.Lock()
	defer j.lock.Unlock()
	return j.last
}

func (j *journal) follow(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewWatchClient(conn).Watch(ctx, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	_ = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: j.position() + 1, PrevKv: true}}})
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if answer.Canceled {
			return fmt.Errorf("%w: cancelled: %s, compacted at %d", errWrong, answer.CancelReason, answer.CompactRevision)
		}
		for _, event := range answer.Events {
			if err := j.take(event); err != nil {
				return err
			}
		}
	}
}

// take checks one event. Everything that writes here changes one key per revision, or several in a
// row: a lease's end deletes its keys in one revision.
func (j *journal) take(event *mvccpb.Event) error {
	j.lock.Lock()
	defer j.lock.Unlock()
	revision, key := event.Kv.ModRevision, string(event.Kv.Key)
	same := len(j.changes) > 0 && j.changes[len(j.changes)-1].revision == revision
	if revision != j.last+1 && !(same && revision == j.last) {
		return fmt.Errorf("%w: revision %d after %d", errWrong, revision, j.last)
	}
	j.last = revision
	before := j.keys[key]
	if (before == nil) != (event.PrevKv == nil) || (before != nil && !proto.Equal(before, event.PrevKv)) {
		return fmt.Errorf("%w: previous value of %s at %d is %.200v, expected %.200v", errWrong, key, revision, event.PrevKv, before)
	}
	c := change{what: "ADDED", name: key, revision: revision}
	if event.Type == mvccpb.Event_DELETE {
		c.what = "DELETED"
		delete(j.keys, key)
	} else {
		if before != nil {
			c.what = "MODIFIED"
		}
		j.keys[key] = event.Kv
	}
	j.changes = append(j.changes, c)
	return nil
}

// of gives the changes below a kind's prefix, with names as the API has them.
func (j *journal) of(k kind) []change {
	j.lock.Lock()
	defer j.lock.Unlock()
	var out []change
	for _, c := range j.changes {
		if name, found := strings.CutPrefix(c.name, k.registry); found {
			c.name = name
			out = append(out, c)
		}
	}
	return out
}

// awaitEnd waits until the journal has reached the store's revision, and gives that.
func (j *journal) awaitEnd(limit time.Duration) (int64, error) {
	client, err := j.server.Client()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	now, err := client.Get(ctx, "none")
	if err != nil {
		return 0, err
	}
	for j.position() < now.Header.Revision {
		j.lock.Lock()
		err := j.err
		j.lock.Unlock()
		if err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("the journal is at %d, the store at %d", j.position(), now.Header.Revision)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return now.Header.Revision, nil
}
