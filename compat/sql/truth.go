package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// change is what one revision did to one key.
type change struct {
	key, value string
	version    int64
	deleted    bool
}

// truth is the history as the watches of all instances tell it: each must tell the same.
type truth struct {
	lock    sync.Mutex
	history [][]change // by revision; nil: not told yet
	byValue map[string]int64
	errs    []error
}

func newTruth() *truth { return &truth{byValue: map[string]int64{}} }

func (h *truth) fail(format string, arguments ...any) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.errs = append(h.errs, fmt.Errorf(format, arguments...))
}

func (h *truth) err() error {
	h.lock.Lock()
	defer h.lock.Unlock()
	return errors.Join(h.errs...)
}

// add takes one revision from the watch of an instance.
func (h *truth) add(teller int, revision int64, events []*mvccpb.Event) {
	changes := make([]change, len(events))
	for i, event := range events {
		changes[i] = change{string(event.Kv.Key), string(event.Kv.Value), event.Kv.Version, event.Type == mvccpb.Event_DELETE}
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.key, b.key) })
	h.lock.Lock()
	defer h.lock.Unlock()
	for int64(len(h.history)) <= revision {
		h.history = append(h.history, nil)
	}
	if known := h.history[revision]; known != nil {
		if !slices.Equal(known, changes) {
			h.errs = append(h.errs, fmt.Errorf("revision %d is %v by the watch of instance %d, but was %v", revision, changes,
				teller, known))
		}
		return
	}
	h.history[revision] = changes
	for _, c := range changes {
		if c.deleted {
			continue
		}
		if other, twice := h.byValue[c.value]; twice {
			h.errs = append(h.errs, fmt.Errorf("%s was written twice, at %d and at %d", c.value, other, revision))
		}
		h.byValue[c.value] = revision
	}
}

// of gives the revision that wrote a value; 0 if none did.
func (h *truth) of(value string) int64 {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.byValue[value]
}

// at tells what a revision did to a key.
func (h *truth) at(revision int64, key string) (change, bool) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if revision < int64(len(h.history)) {
		for _, c := range h.history[revision] {
			if c.key == key {
				return c, true
			}
		}
	}
	return change{}, false
}

// follower watches everything on one instance for as long as the test lasts; when the stream breaks it
// goes on behind the last revision it was told.
type follower struct {
	instance *instance
	truth    *truth
	position atomic.Int64
	resumed  atomic.Int64
}

func follow(ctx context.Context, group *sync.WaitGroup, one *instance, h *truth, from int64) *follower {
	f := &follower{instance: one, truth: h}
	f.position.Store(from - 1)
	group.Go(func() {
		for ctx.Err() == nil {
			if err := f.watch(ctx); err != nil {
				h.fail("watch of instance %d: %w", one.index, err)
				return
			}
			f.resumed.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return f
}

// watch returns nil when the stream breaks, and an error when a promise does.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewWatchClient(f.instance.conn).Watch(ctx)
	if err != nil {
		return nil
	}
	request := &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: f.position.Load() + 1}
	if stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}}) != nil {
		return nil
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return nil
		}
		if answer.Canceled {
			if answer.CompactRevision != 0 {
				return fmt.Errorf("compacted at %d, position %d", answer.CompactRevision, f.position.Load())
			}
			return nil
		}
		for events := answer.Events; len(events) > 0; {
			revision, n := events[0].Kv.ModRevision, 1
			for n < len(events) && events[n].Kv.ModRevision == revision {
				n++
			}
			if last := f.position.Load(); revision != last+1 {
				return fmt.Errorf("revision %d follows %d", revision, last)
			}
			f.truth.add(f.instance.index, revision, events[:n])
			f.position.Store(revision)
			events = events[n:]
		}
	}
}

// await waits until the watch has told a revision.
func (f *follower) await(revision int64, limit time.Duration) error {
	for end := time.Now().Add(limit); f.position.Load() < revision; time.Sleep(2 * time.Millisecond) {
		if err := f.truth.err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the watch of instance %d is at %d, expected %d", f.instance.index, f.position.Load(), revision)
		}
	}
	return nil
}
