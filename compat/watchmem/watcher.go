// Package watchmem shows that watches which nobody reads cost a server next to no memory, and the
// other watches nothing.
package watchmem

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"keelson/compat/harness"
)

// gate holds back what a connection receives: the socket fills up, as with a client that hangs.
type gate struct {
	net.Conn
	lock   *sync.Cond
	closed bool
}

func newGate() *gate { return &gate{lock: sync.NewCond(&sync.Mutex{})} }

func (g *gate) set(closed bool) {
	g.lock.L.Lock()
	g.closed = closed
	g.lock.L.Unlock()
	g.lock.Broadcast()
}

func (g *gate) Read(into []byte) (int, error) {
	n, err := g.Conn.Read(into)
	g.lock.L.Lock()
	for g.closed {
		g.lock.Wait()
	}
	g.lock.L.Unlock()
	return n, err
}

func (g *gate) dialer() grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		g.Conn = conn
		return g, err
	})
}

// watcher is one watch on a stream of its own.
type watcher struct {
	group  int
	stream pb.Watch_WatchClient
	gate   *gate // when its connection is its own
	seen   []int64
	count  atomic.Int64 // len(seen), for others to look at
}

func groupPrefix(group int) string { return fmt.Sprintf("g/%03d/", group) }

// openWatcher watches one group's prefix; when it returns, the watch exists.
func openWatcher(ctx context.Context, conn *grpc.ClientConn, group int) (*watcher, error) {
	stream, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		return nil, err
	}
	prefix := groupPrefix(group)
	err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte(prefix), RangeEnd: []byte(prefix[:len(prefix)-1] + "0"), PrevKv: true}}})
	if err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	if err == nil && !answer.Created {
		err = fmt.Errorf("first answer is %v", answer)
	}
	return &watcher{group: group, stream: stream}, err
}

func openStalled(ctx context.Context, server *harness.Server, group int) (*watcher, *grpc.ClientConn, error) {
	g := newGate()
	conn, err := server.Dial(g.dialer())
	if err != nil {
		return nil, nil, err
	}
	w, err := openWatcher(ctx, conn, group)
	if err != nil {
		return nil, conn, err
	}
	w.gate = g
	g.set(true)
	return w, conn, nil
}

// step reads one answer; it tells whether the watch was cancelled because of a compaction.
func (w *watcher) step() (compacted bool, err error) {
	answer, err := w.stream.Recv()
	if err != nil {
		return false, err
	}
	if answer.Canceled {
		if answer.CompactRevision == 0 {
			return false, fmt.Errorf("cancelled: %s", answer.CancelReason)
		}
		return true, nil
	}
	for _, event := range answer.Events {
		if n := len(w.seen); n > 0 && event.Kv.ModRevision <= w.seen[n-1] {
			return false, fmt.Errorf("group %d: revision %d after %d", w.group, event.Kv.ModRevision, w.seen[n-1])
		}
		w.seen = append(w.seen, event.Kv.ModRevision)
	}
	w.count.Store(int64(len(w.seen)))
	return false, nil
}

// follow reads until the stream ends.
func (w *watcher) follow() error {
	for {
		compacted, err := w.step()
		if err != nil {
			return err
		}
		if compacted {
			return fmt.Errorf("group %d: a watch that reads all the time was cancelled as compacted", w.group)
		}
	}
}

// agrees tells whether what was seen is the beginning of what was written; complete: all of it.
func (w *watcher) agrees(written []int64, complete bool) error {
	if len(w.seen) > len(written) || (complete && len(w.seen) != len(written)) {
		return fmt.Errorf("group %d: saw %d events of %d", w.group, len(w.seen), len(written))
	}
	for i, revision := range w.seen {
		if revision != written[i] {
			return fmt.Errorf("group %d: event %d has revision %d, expected %d", w.group, i, revision, written[i])
		}
	}
	return nil
}
