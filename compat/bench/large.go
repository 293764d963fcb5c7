package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// loadFast writes `n` objects in transactions of 100 puts, where only the state matters.
func (t *target) loadFast(prefix string, n int) error {
	const batch = 100
	_, err := drive(20, (n+batch-1)/batch, func(ctx context.Context, caller, i int) error {
		var puts []clientv3.Op
		for j := i * batch; j < min(n, (i+1)*batch); j++ {
			puts = append(puts, clientv3.OpPut(objectKey(prefix, j), t.value))
		}
		_, err := t.client(caller).Txn(ctx).Then(puts...).Commit()
		return err
	})
	return err
}

// largeList measures two lists of everything at once; an operation is one of them.
func largeList(t *target, size sizes) (sample, error) {
	return measured(t, func() (int, []time.Duration, error) {
		latencies := make([]time.Duration, 2)
		errs := make([]error, 2)
		var group sync.WaitGroup
		for i := range latencies {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
				defer cancel()
				start := time.Now()
				found, err := t.list(ctx, i, writePrefix)
				latencies[i] = time.Since(start)
				if err == nil && found != size.large {
					err = fmt.Errorf("listed %d of %d", found, size.large)
				}
				errs[i] = err
			})
		}
		group.Wait()
		for _, err := range errs {
			if err != nil {
				return 0, nil, err
			}
		}
		return 2, latencies, nil
	})
}

// restart measures the way from the start of the process to the first linearizable answer, in `p50`,
// and the memory after one full list, in `rss`. The server was killed, as a machine dies.
func restart(t *target, size sizes) (sample, error) {
	t.disconnect()
	t.server.Kill()
	start := time.Now()
	if err := t.server.Start(); err != nil {
		return sample{}, err
	}
	client, err := t.server.Client()
	if err != nil {
		return sample{}, err
	}
	t.clients = []*clientv3.Client{client}
	if _, err := client.Get(context.Background(), objectKey(writePrefix, 0)); err != nil {
		return sample{}, err
	}
	took := time.Since(start)
	s, err := measured(t, calls(1, 1, func(ctx context.Context, _, _ int) error {
		found, err := t.list(ctx, 0, writePrefix)
		if err == nil && found != size.stored {
			err = fmt.Errorf("listed %d of %d", found, size.stored)
		}
		return err
	}))
	s.p50, s.p99 = took.Seconds()*1e3, 0
	return s, err
}

// pausing measures the worst put of a load that runs while `size.compacted` revisions are compacted
// (worst) and of the same load without any compaction before it (p99 holds that worst).
func pausing(t *target, size sizes) (sample, error) {
	keys := size.compacted / 2
	for range 3 { // two of three revisions of each key go
		_, err := drive(callers, keys, func(ctx context.Context, caller, i int) error {
			_, err := t.client(caller).Put(ctx, objectKey(writePrefix, i), t.value)
			return err
		})
		if err != nil {
			return sample{}, err
		}
	}
	now, err := t.client(0).Get(context.Background(), "none")
	if err != nil {
		return sample{}, err
	}
	revision := now.Header.Revision
	without, err := putLoad(t, size.pauseLoad, nil)
	if err != nil {
		return sample{}, err
	}
	with, err := putLoad(t, size.pauseLoad, func(ctx context.Context) error {
		_, err := t.client(0).Compact(ctx, revision, clientv3.WithCompactPhysical())
		return err
	})
	with.p99 = without.worst
	if err == nil {
		with.slices, with.longSlices, err = compactionSlices(t)
	}
	return with, err
}

// compactionSlices asks the server how many slices its compactions had so far, and how many of them
// held the writes back for longer than a millisecond.
func compactionSlices(t *target) (all, long float64, err error) {
	const family = "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds"
	answer, err := http.Get(t.server.ClientURL + "/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, 0, err
	}
	within := 0.0
	for line := range strings.Lines(string(text)) {
		name, figure, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, _ := strconv.ParseFloat(figure, 64)
		switch name {
		case family + "_count":
			all = number
		case family + `_bucket{le="1"}`:
			within = number
		}
	}
	return all, all - within, nil
}

// putLoad puts from 20 callers for at least `atLeast`, and until `beside` has returned.
func putLoad(t *target, atLeast time.Duration, beside func(context.Context) error) (sample, error) {
	const loaders = 20
	return measured(t, func() (int, []time.Duration, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		end := make(chan error, 1)
		go func() {
			time.Sleep(atLeast / 10)
			start, err := time.Now(), error(nil)
			if beside != nil {
				err = beside(ctx)
			}
			time.Sleep(max(0, atLeast*9/10-time.Since(start)))
			end <- err
		}()
		var group sync.WaitGroup
		stop := make(chan struct{})
		all, errs := make([][]time.Duration, loaders), make([]error, loaders)
		for i := range loaders {
			group.Go(func() { all[i], errs[i] = putUntil(ctx, t, i, stop) })
		}
		err := <-end
		close(stop)
		group.Wait()
		var latencies []time.Duration
		for i := range all {
			latencies = append(latencies, all[i]...)
			if err == nil {
				err = errs[i]
			}
		}
		return len(latencies), latencies, err
	})
}

func putUntil(ctx context.Context, t *target, caller int, stop <-chan struct{}) ([]time.Duration, error) {
	var latencies []time.Duration
	key := fmt.Sprintf("/registry/load/%d", caller)
	for {
		select {
		case <-stop:
			return latencies, nil
		default:
		}
		start := time.Now()
		if _, err := t.client(caller).Put(ctx, key, t.value); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(start))
	}
}
