package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// churn creates and deletes objects inside the listed range at a fixed rate, each twice in a row by
// the same caller, so that hardly any of them lives at a time.
type churn struct {
	stop  chan struct{}
	group sync.WaitGroup
	done  atomic.Int64 // creates and deletes acknowledged
	lock  sync.Mutex
	errs  []error
}

func startChurn(t *target) *churn {
	const workers = 50
	c := &churn{stop: make(chan struct{})}
	t.objects[churnPrefix] = make([]int64, workers)
	tickets := make(chan struct{}, workers)
	c.group.Go(func() { c.pace(tickets) })
	for worker := range workers {
		c.group.Go(func() {
			for range tickets {
				if err := c.pair(t, worker); err != nil {
					c.fail(err)
				}
			}
		})
	}
	return c
}

// pace hands out one ticket per create and delete pair; what a slow server leaves undone is dropped.
func (c *churn) pace(tickets chan<- struct{}) {
	defer close(tickets)
	start, issued := time.Now(), 0
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
		}
		due := int(time.Since(start).Seconds() * churnRate / 2)
		for ; issued < due; issued++ {
			select {
			case tickets <- struct{}{}:
			default:
			}
		}
	}
}

func (c *churn) pair(t *target, worker int) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := t.swap(ctx, worker, churnPrefix, worker); err != nil {
		return err
	}
	err := t.remove(ctx, worker, churnPrefix, worker)
	c.done.Add(2)
	return err
}

func (c *churn) fail(err error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.errs = append(c.errs, err)
}

// end stops and gives the number of creates and deletes that were acknowledged.
func (c *churn) end() (int, error) {
	close(c.stop)
	c.group.Wait()
	return int(c.done.Load()), errors.Join(c.errs...)
}

// runBusyList measures lists while creates and deletes run; an operation is a list, and the figure
// has in it what ran beside it: the cost of writes depends so much on what they share a batch with
// that it cannot be taken off.
func runBusyList(t *target, size sizes) (sample, error) {
	churned := 0
	s, err := measured(t, func() (int, []time.Duration, error) {
		c := startChurn(t)
		latencies, err := drive(listCallers, size.busyLists, func(ctx context.Context, caller, _ int) error {
			found, err := t.list(ctx, caller, listPrefix)
			if err == nil && found < size.listed {
				err = fmt.Errorf("listed %d, of which %d stay", found, size.listed)
			}
			return err
		})
		var other error
		churned, other = c.end()
		return size.busyLists, latencies, errors.Join(err, other)
	})
	s.beside = float64(churned) / s.seconds
	return s, err
}
