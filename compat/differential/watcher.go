package differential

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
)

const eventTimeout = 15 * time.Second

// watcher is one Watch stream to one server. Answers without events come in order in `controls`;
// events are kept per watch id.
type watcher struct {
	client   pb.Watch_WatchClient
	cancel   context.CancelFunc
	controls chan *pb.WatchResponse

	lock    sync.Mutex
	arrived *sync.Cond
	events  map[int64][]*mvccpb.Event
	wrong   string // the first broken promise seen
	ended   bool
}

func openWatcher(conn *grpc.ClientConn) (*watcher, error) {
	ctx, cancel := context.WithCancel(context.Background())
	client, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &watcher{
		client: client, cancel: cancel, controls: make(chan *pb.WatchResponse, 1000),
		events: map[int64][]*mvccpb.Event{},
	}
	w.arrived = sync.NewCond(&w.lock)
	go w.read()
	return w, nil
}

func (w *watcher) read() {
	for {
		r, err := w.client.Recv()
		w.lock.Lock()
		if err != nil {
			w.ended = true
			w.arrived.Broadcast()
			w.lock.Unlock()
			return
		}
		if len(r.Events) > 0 {
			w.add(r)
		}
		w.arrived.Broadcast()
		w.lock.Unlock()
		if len(r.Events) == 0 {
			if r.Created { // ahead of any event of this watch, so nothing is lost
				w.forget(r.WatchId)
			}
			r.Header.ClusterId, r.Header.MemberId, r.Header.RaftTerm = 0, 0, 0
			w.controls <- r
		}
	}
}

func (w *watcher) add(r *pb.WatchResponse) {
	last := r.Events[len(r.Events)-1].Kv.ModRevision
	if r.Header.Revision < last && w.wrong == "" {
		w.wrong = fmt.Sprintf("watch %d: header revision %d below its event's %d",
			r.WatchId, r.Header.Revision, last)
	}
	w.events[r.WatchId] = append(w.events[r.WatchId], r.Events...)
}

func (w *watcher) forget(id int64) {
	w.lock.Lock()
	defer w.lock.Unlock()
	delete(w.events, id)
}

// drop removes the first events of a watch, which were compared.
func (w *watcher) drop(id int64, n int) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.events[id] = w.events[id][n:]; len(w.events[id]) == 0 {
		delete(w.events, id)
	}
}

// control waits for the next answer without events.
func (w *watcher) control() (*pb.WatchResponse, error) {
	select {
	case r := <-w.controls:
		return r, nil
	case <-time.After(eventTimeout):
		return nil, fmt.Errorf("no answer within %s", eventTimeout)
	}
}

// wait blocks until `ready` holds of the events of a watch, or the patience ends.
func (w *watcher) wait(id int64, ready func([]*mvccpb.Event) bool) ([]*mvccpb.Event, error) {
	timer := time.AfterFunc(eventTimeout, func() {
		w.lock.Lock()
		w.ended = true
		w.arrived.Broadcast()
		w.lock.Unlock()
	})
	defer timer.Stop()
	w.lock.Lock()
	defer w.lock.Unlock()
	for !ready(w.events[id]) && !w.ended && w.wrong == "" {
		w.arrived.Wait()
	}
	got := w.events[id]
	switch {
	case w.wrong != "":
		return got, fmt.Errorf("%s", w.wrong)
	case !ready(got):
		return got, fmt.Errorf("watch %d: %d events and no more", id, len(got))
	}
	return got, nil
}

// watched is a live watch that both servers have under the same id on the same stream.
type watched struct {
	create    *pb.WatchCreateRequest
	start     int64 // the first revision it sees
	historic  int64 // events up to this revision are history: older than the watch
	compacted int64 // when the watch was made
	next      int   // how much of the history was compared
}

// expected filters the part of the history that was not compared yet by what the watch asked for.
func (w *watched) expected(history []*mvccpb.Event) []*mvccpb.Event {
	var out []*mvccpb.Event
	for i := w.next; i < len(history); i++ {
		e := history[i]
		if e.Kv.ModRevision < w.start || !w.covers(e.Kv.Key) || w.filtered(e.Type) {
			continue
		}
		if e.Kv.ModRevision == w.compacted && overwritten(history[i:]) {
			continue
		}
		one := &mvccpb.Event{Type: e.Type, Kv: e.Kv}
		if w.create.PrevKv && (e.Kv.ModRevision > w.historic || e.Kv.ModRevision > w.compacted) {
			one.PrevKv = e.PrevKv
		}
		out = append(out, one)
	}
	w.next = len(history)
	return out
}

// overwritten tells whether a later event of the same revision has the first one's key: compaction at
// that revision keeps only the last of them.
func overwritten(events []*mvccpb.Event) bool {
	for _, e := range events[1:] {
		if e.Kv.ModRevision != events[0].Kv.ModRevision {
			return false
		}
		if bytes.Equal(e.Kv.Key, events[0].Kv.Key) {
			return true
		}
	}
	return false
}

func (w *watched) covers(key []byte) bool {
	from, end := w.create.Key, w.create.RangeEnd
	if len(from) == 0 {
		from = []byte{0}
	}
	switch {
	case len(end) == 0:
		return bytes.Equal(key, from)
	case len(end) == 1 && end[0] == 0:
		return bytes.Compare(key, from) >= 0
	}
	return bytes.Compare(key, from) >= 0 && bytes.Compare(key, end) < 0
}

func (w *watched) filtered(kind mvccpb.Event_EventType) bool {
	for _, f := range w.create.Filters {
		if (f == pb.WatchCreateRequest_NOPUT) == (kind == mvccpb.Event_PUT) {
			return true
		}
	}
	return false
}
