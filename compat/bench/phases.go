package main

import (
	"context"
	"fmt"
	"time"
)

// sizes scales the benchmark. In the full size each phase of Keelson's takes two seconds of CPU or more.
type sizes struct {
	rounds     int // of every phase; the table shows medians
	writes     int // creates, updates and deletes of a phase
	gets       int
	listed     int // objects of the ordinary list
	lists      int // lists of a phase
	busyLists  int // lists of the phase beside creates and deletes
	updates    int // updates that the watchers see in one pass
	passes     int // of the watchers' phase
	lone       int // creates of the single caller
	large      int // objects of the large list
	stored     int // objects of the start-up row
	compacted  int // revisions that one compaction removes
	pauseLoad  time.Duration
	pauseTimes int
}

func fullSizes() sizes {
	return sizes{rounds: 5, writes: 180_000, gets: 300_000, listed: 10_000, lists: 450, busyLists: 350, updates: 10_000,
		passes: 4, lone: 12_000, large: 300_000, stored: 100_000, compacted: 600_000, pauseLoad: 15 * time.Second, pauseTimes: 3}
}

func shortSizes() sizes {
	return sizes{rounds: 1, writes: 20_000, gets: 30_000, listed: 10_000, lists: 20, busyLists: 20, updates: 2_000,
		passes: 1, lone: 1_000, large: 60_000, stored: 30_000, compacted: 60_000, pauseLoad: 5 * time.Second, pauseTimes: 1}
}

const (
	objectSize   = 1024
	listPrefix   = "/registry/lists/"
	writePrefix  = "/registry/pods/"
	lonePrefix   = "/registry/lone/"
	churnPrefix  = listPrefix + "churn/" // inside the listed range, at its start
	listCallers  = 4
	watcherCount = 50
	updaters     = 20
	churnRate    = 5000
)

// phase is one measured piece of work; phases of a round run in order, each on both servers in turn.
type phase struct {
	name string
	run  func(t *target, size sizes) (sample, error)
}

// measured runs `work`, which gives the number of operations and the latencies, under a meter.
func measured(t *target, work func() (int, []time.Duration, error)) (sample, error) {
	m, err := startMeter(t.server.Pid())
	if err != nil {
		return sample{}, err
	}
	ops, latencies, err := work()
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.name, err)
	}
	return m.stop(ops, latencies)
}

func calls(concurrency, n int, call func(context.Context, int, int) error) func() (int, []time.Duration, error) {
	return func() (int, []time.Duration, error) {
		latencies, err := drive(concurrency, n, call)
		return n, latencies, err
	}
}

func runList(t *target, size sizes) (sample, error) {
	return measured(t, calls(listCallers, size.lists, func(ctx context.Context, caller, _ int) error {
		found, err := t.list(ctx, caller, listPrefix)
		if err == nil && found != size.listed {
			err = fmt.Errorf("listed %d of %d", found, size.listed)
		}
		return err
	}))
}

func runCreate(t *target, size sizes) (sample, error) {
	t.objects[writePrefix] = make([]int64, size.writes)
	return runUpdate(t, size)
}

func runUpdate(t *target, size sizes) (sample, error) {
	return measured(t, calls(callers, size.writes, func(ctx context.Context, caller, i int) error {
		return t.swap(ctx, caller, writePrefix, i)
	}))
}

func runGet(t *target, size sizes) (sample, error) {
	return measured(t, calls(callers, size.gets, func(ctx context.Context, caller, i int) error {
		return t.get(ctx, caller, writePrefix, i)
	}))
}

func runDelete(t *target, size sizes) (sample, error) {
	return measured(t, calls(callers, size.writes, func(ctx context.Context, caller, i int) error {
		return t.remove(ctx, caller, writePrefix, i)
	}))
}

func runLone(t *target, size sizes) (sample, error) {
	first := len(t.objects[lonePrefix])
	t.objects[lonePrefix] = append(t.objects[lonePrefix], make([]int64, size.lone)...)
	return measured(t, calls(1, size.lone, func(ctx context.Context, _, i int) error {
		return t.swap(ctx, 0, lonePrefix, first+i)
	}))
}

func roundPhases() []phase {
	return []phase{
		{"list", runList},
		{"list beside churn", runBusyList},
		{"watch", runWatch},
		{"create", runCreate},
		{"update", runUpdate},
		{"get", runGet},
		{"delete", runDelete},
		{"create, one caller", runLone},
	}
}
