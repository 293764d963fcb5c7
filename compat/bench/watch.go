package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

type arrival struct {
	revision int64
	at       time.Time
}

// watcher follows the whole prefix and notes when each revision came.
type watcher struct {
	arrived []arrival
	resumed int // times that the server had ended the watch
	err     error
}

// follow reads until `n` events behind the revision `after` have come (kine sends older ones too). A
// watch that the server ends is opened again behind the last event, as a client would.
func (w *watcher) follow(open func(revision int64) clientv3.WatchChan, after int64, n int, ready func()) {
	w.arrived = make([]arrival, 0, n)
	signal := sync.OnceFunc(ready)
	defer signal()
	for events := open(0); ; events = open(after + 1) {
		for answer := range events {
			signal()
			now := time.Now()
			for _, event := range answer.Events {
				if event.Kv.ModRevision <= after {
					continue
				}
				after = event.Kv.ModRevision
				w.arrived = append(w.arrived, arrival{after, now})
			}
			if len(w.arrived) >= n {
				return
			}
		}
		if w.resumed++; w.resumed > 1000 {
			w.err = errors.New("watches end early, again and again")
			return
		}
	}
}

// updates changes each of the first listed objects once in each pass and notes when it was acknowledged.
func updates(t *target, size sizes) (map[int64]time.Time, error) {
	out := make(map[int64]time.Time, size.passes*size.updates)
	for range size.passes {
		at := make([]time.Time, size.updates)
		_, err := drive(updaters, size.updates, func(ctx context.Context, caller, i int) error {
			err := t.swap(ctx, caller, listPrefix, i)
			at[i] = time.Now()
			return err
		})
		if err != nil {
			return nil, err
		}
		for i, moment := range at {
			out[t.objects[listPrefix][i]] = moment
		}
	}
	return out, nil
}

func openWatchers(ctx context.Context, t *target, n int) ([]*watcher, *sync.WaitGroup) {
	var ready, done sync.WaitGroup
	now := slices.Max(t.objects[listPrefix])
	watchers := make([]*watcher, watcherCount)
	for i := range watchers {
		w := &watcher{}
		watchers[i] = w
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			open := func(revision int64) clientv3.WatchChan {
				return t.client(i).Watch(clientv3.WithRequireLeader(ctx), listPrefix, clientv3.WithPrefix(),
					clientv3.WithCreatedNotify(), clientv3.WithPrevKV(), clientv3.WithRev(revision))
			}
			w.follow(open, now, n, ready.Done)
		}()
	}
	ready.Wait()
	return watchers, &done
}

// runWatch measures the delivery of events: an operation is one event at one watcher. The updates
// alone, measured just before, are taken off. Latency is from acknowledgement to arrival.
func runWatch(t *target, size sizes) (sample, error) {
	alone, err := measured(t, func() (int, []time.Duration, error) {
		_, err := updates(t, size)
		return size.passes * size.updates, nil, err
	})
	if err != nil {
		return alone, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	watchers, done := openWatchers(ctx, t, size.passes*size.updates)
	s, err := measured(t, func() (int, []time.Duration, error) {
		acknowledged, err := updates(t, size)
		if err != nil {
			return 0, nil, err
		}
		done.Wait()
		return delivered(watchers, acknowledged)
	})
	if err != nil {
		return s, err
	}
	s.whole = s.cpu
	s.cpu -= alone.cpu
	return s, nil
}

// delivered counts what came and how late; anything missing or out of order is an error.
func delivered(watchers []*watcher, acknowledged map[int64]time.Time) (int, []time.Duration, error) {
	latencies := make([]time.Duration, 0, len(watchers)*len(acknowledged))
	for _, w := range watchers {
		if w.err != nil {
			return 0, nil, w.err
		}
		if len(w.arrived) != len(acknowledged) {
			return 0, nil, fmt.Errorf("%d events of %d were delivered", len(w.arrived), len(acknowledged))
		}
		last := int64(0)
		for _, a := range w.arrived {
			moment, known := acknowledged[a.revision]
			if !known || a.revision <= last {
				return 0, nil, fmt.Errorf("event %d after %d, acknowledged: %t", a.revision, last, known)
			}
			last = a.revision
			latencies = append(latencies, max(0, a.at.Sub(moment)))
		}
	}
	return len(latencies), latencies, nil
}
