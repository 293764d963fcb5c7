package sql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// tally says how much a run has tested.
type tally struct {
	Calls, Answered, Unknown, Revisions, resumed int
}

func (t *tally) add(other tally) {
	t.Calls += other.Calls
	t.Answered += other.Answered
	t.Unknown += other.Unknown
	t.Revisions += other.Revisions
}

// round is a second of calls with a fault in the middle, and the check of all that was told.
type round struct {
	number    int
	fault     fault
	cluster   *cluster
	truth     *truth
	followers []*follower
	random    *rand.Rand
	tally     tally
}

const calm = 150 * time.Millisecond // at most, before and after the fault

func (r *round) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	record, before := &recorder{}, r.followers[0].position.Load()
	var group sync.WaitGroup
	for id := range clients {
		one := &client{id: id, random: rand.New(rand.NewPCG(r.random.Uint64(), uint64(id))), round: r.number,
			recorder: record, cluster: r.cluster, versions: map[string]int64{}}
		group.Go(func() { one.run(ctx) })
	}
	upTo(r.random, calm)
	err := r.fault.do(r.cluster, r.random)
	upTo(r.random, calm)
	cancel()
	group.Wait()
	if err != nil {
		return err
	}
	highest, err := r.cluster.awaitAll()
	if err != nil {
		return err
	}
	for _, f := range r.followers {
		if err := f.await(highest, recovery); err != nil {
			return err
		}
	}
	if err := r.truth.err(); err != nil {
		return err
	}
	all, unknown := record.settle(r.truth)
	r.tally = tally{Calls: len(record.all), Answered: len(record.all) - unknown, Unknown: unknown,
		Revisions: int(highest - before)}
	if err := checkTold(all, r.truth); err != nil {
		return err
	}
	if err := checkRealTime(all); err != nil {
		return err
	}
	if err := checkLinearizable(all); err != nil {
		return err
	}
	if err := r.cluster.equalHashes(highest); err != nil {
		return fmt.Errorf("after the fault: %w", err)
	}
	return nil
}
