package differential

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"keelson/compat/harness"
)

// side is one of the two servers with its connection and streams.
type side struct {
	server   *harness.Server
	conn     *grpc.ClientConn
	watchers []*watcher
}

// world is both servers in lockstep; sides[0] is etcd.
type world struct {
	sides [2]*side
	gen   *generator

	// all watches everything on etcd from its first event on; history is what came so far.
	all     *watcher
	history []*mvccpb.Event

	live    []map[int64]*watched // by stream, then watch id
	zombies []map[int64]bool     // ended by compaction, but still known to their stream
	// pending tells that a compaction may still remove rows, which HashKV would race with.
	pending bool
	began   time.Time // when the newest watch was made
}

// etcd looks at watches that start in the past every 100 ms; one whose start is compacted before that
// is cancelled, however little history it has.
const catchUp = 300 * time.Millisecond

func newWorld(etcd, keelson *harness.Server, gen *generator) (*world, error) {
	w := &world{sides: [2]*side{{server: etcd}, {server: keelson}}, gen: gen}
	w.gen.revision, w.gen.compacted = 1, -1
	return w, w.connect()
}

// connect opens connections and streams; watches are gone after a restart.
func (w *world) connect() error {
	for _, s := range w.sides {
		conn, err := s.server.Dial()
		if err != nil {
			return err
		}
		s.conn, s.watchers = conn, nil
		for range streams {
			one, err := openWatcher(conn)
			if err != nil {
				return err
			}
			s.watchers = append(s.watchers, one)
		}
	}
	w.live, w.zombies = nil, nil
	for range streams {
		w.live = append(w.live, map[int64]*watched{})
		w.zombies = append(w.zombies, map[int64]bool{})
	}
	var err error
	if w.all, err = openWatcher(w.sides[0].conn); err != nil {
		return err
	}
	err = w.all.client.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{
			Key: []byte{0}, RangeEnd: []byte{0}, PrevKv: true, StartRevision: w.gen.revision + 1,
		}}})
	if err != nil {
		return err
	}
	_, err = w.all.control()
	return err
}

func (w *world) close() {
	for _, s := range w.sides {
		for _, one := range s.watchers {
			one.cancel()
		}
		_ = s.conn.Close()
	}
	w.all.cancel()
}

// apply does one step on both servers; an error is a difference (or the end of a server).
func (w *world) apply(step Step) error {
	switch {
	case step.Settle:
		return w.settle()
	case step.Restart || step.Kill:
		return w.restart(step.Kill)
	case step.Watch != nil:
		return w.watch(step.On, step.Watch)
	}
	compaction, compacting := step.Request.(*pb.CompactionRequest)
	if compacting {
		if err := w.settle(); err != nil { // previous values are read when events are sent
			return err
		}
		time.Sleep(time.Until(w.began.Add(catchUp)))
		for w.revived(compaction.Revision) {
			compaction.Revision--
		}
	}
	if _, ok := step.Request.(*pb.HashKVRequest); ok && w.pending {
		time.Sleep(100 * time.Millisecond)
		w.pending = false
	}
	got := w.both(func(s *side) answer { return ask(s.conn, step) })
	if got[0].err != got[1].err || (got[0].message != nil) != (got[1].message != nil) ||
		(got[0].message != nil && !proto.Equal(got[0].message, got[1].message)) {
		return differ(got[0].String(), got[1].String())
	}
	w.gen.revision = max(w.gen.revision, got[0].revision)
	if compacting && got[0].err == "" {
		w.gen.compacted = compaction.Revision
		w.pending = !compaction.Physical
	}
	return nil
}

// revived tells whether a key was deleted and put again within a revision, which a from-key delete
// lets a transaction do. etcd loses such a key by a compaction at exactly that revision: it keeps the
// tombstone, drops the row of the put, and ends at the next read of the key. Keelson keeps it.
func (w *world) revived(revision int64) bool {
	first := sort.Search(len(w.history), func(i int) bool { return w.history[i].Kv.ModRevision >= revision })
	for i, e := range w.history[first:] {
		if e.Kv.ModRevision != revision {
			return false
		}
		if e.Type == mvccpb.Event_DELETE && overwritten(w.history[first+i:]) {
			return true
		}
	}
	return false
}

func (w *world) both(do func(*side) answer) (out [2]answer) {
	var both sync.WaitGroup
	for i, s := range w.sides {
		both.Go(func() { out[i] = do(s) })
	}
	both.Wait()
	return out
}

func (a answer) String() string {
	if a.err != "" {
		return "error " + a.err
	}
	return prototext.MarshalOptions{}.Format(a.message)
}

func differ(etcd, keelson string) error {
	return fmt.Errorf("etcd and keelson differ\n  etcd    %s\n  keelson %s", etcd, keelson)
}

// watch sends a request to one stream of both servers and compares what they say at once.
func (w *world) watch(on int, request *pb.WatchRequest) error {
	if err := w.settle(); err != nil {
		return err
	}
	cancel, create := request.GetCancelRequest(), request.GetCreateRequest()
	answers := 1
	if cancel != nil {
		if w.live[on][cancel.WatchId] == nil && !w.zombies[on][cancel.WatchId] {
			answers = 0
		}
		delete(w.live[on], cancel.WatchId)
		delete(w.zombies[on], cancel.WatchId)
	}
	ended := create != nil && create.StartRevision > 0 && create.StartRevision < w.gen.compacted
	for _, s := range w.sides {
		if err := s.watchers[on].client.Send(request); err != nil {
			return err
		}
	}
	for i := 0; i < answers; i++ {
		got := w.both(func(s *side) answer {
			r, err := s.watchers[on].control()
			if err != nil {
				return answer{err: err.Error()}
			}
			return answer{message: r}
		})
		if got[0].err != "" || got[1].err != "" || !proto.Equal(got[0].message, got[1].message) {
			return differ(got[0].String(), got[1].String())
		}
		r := got[0].message.(*pb.WatchResponse)
		if create != nil && r.Created && !r.Canceled {
			w.begin(on, r.WatchId, create, ended)
			if ended {
				answers = 2
			}
		}
	}
	return nil
}

func (w *world) begin(on int, id int64, create *pb.WatchCreateRequest, ended bool) {
	if ended {
		w.zombies[on][id] = true
		return
	}
	one := &watched{create: create, start: create.StartRevision, historic: w.gen.revision,
		compacted: w.gen.compacted}
	if one.start == 0 {
		one.start = w.gen.revision + 1
	}
	one.next = sort.Search(len(w.history), func(i int) bool {
		return w.history[i].Kv.ModRevision >= one.start
	})
	w.live[on][id] = one
	if create.StartRevision > 0 {
		w.began = time.Now()
	}
}

// settle waits until every watch on both servers has delivered what it must, and compares it.
func (w *world) settle() error {
	got, err := w.all.wait(0, func(events []*mvccpb.Event) bool {
		return w.seen(events) >= w.gen.revision
	})
	if err != nil {
		return fmt.Errorf("etcd's own history: %w", err)
	}
	w.history = append(w.history, got...)
	w.all.drop(0, len(got))
	for on := range w.live {
		for id, one := range w.live[on] {
			want := one.expected(w.history)
			for _, s := range w.sides {
				if err := compareEvents(s, on, id, want); err != nil {
					return fmt.Errorf("%s, stream %d, watch of %v: %w", s.server.Kind, on, one.create, err)
				}
			}
		}
	}
	return nil
}

// seen is the newest revision that etcd's watch of everything has shown.
func (w *world) seen(events []*mvccpb.Event) int64 {
	if len(events) > 0 {
		return events[len(events)-1].Kv.ModRevision
	}
	if len(w.history) > 0 {
		return w.history[len(w.history)-1].Kv.ModRevision
	}
	return 1
}

func compareEvents(s *side, on int, id int64, want []*mvccpb.Event) error {
	got, err := s.watchers[on].wait(id, func(events []*mvccpb.Event) bool {
		return len(events) >= len(want)
	})
	for i := range min(len(got), len(want)) {
		if !proto.Equal(got[i], want[i]) {
			return fmt.Errorf("event %d\n  want %v\n  got  %v", i, want[i], got[i])
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("%d events too many, the first is %v", len(got)-len(want), got[len(want)])
	}
	if err == nil {
		s.watchers[on].drop(id, len(want))
	}
	return err
}

func (w *world) restart(kill bool) error {
	if err := w.settle(); err != nil {
		return err
	}
	w.close()
	var failures [2]error
	var both sync.WaitGroup
	for i, s := range w.sides {
		both.Go(func() {
			if kill {
				s.server.Kill()
				failures[i] = s.server.Start()
			} else {
				failures[i] = s.server.Restart()
			}
		})
	}
	both.Wait()
	if err := errors.Join(failures[:]...); err != nil {
		return err
	}
	return w.connect()
}
