package sql

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

type action int

const (
	read action = iota
	write
	swap // if the key has a known version
	remove
)

func (a action) String() string { return [...]string{"read", "write", "swap", "remove"}[a] }

// operation is one call of a client and what it was told.
type operation struct {
	action   action
	key      string
	mark     string // what a write writes; never the same twice
	expected int64  // the version that a swap compares with
	instance int
	client   int

	call, end int64 // nanoseconds; end is the latest there is if there was no answer
	answered  bool
	succeeded bool  // of a swap
	revision  int64 // of the header; for a write without an answer that of its effect
	seen      register
}

// register is the state of a key; the zero value is that of an absent one.
type register struct {
	value   string
	version int64
}

func (o *operation) String() string {
	return fmt.Sprintf("%s of %s by client %d on instance %d, mark %s, expected %d, answered %t, succeeded %t, revision %d, saw %v",
		o.action, o.key, o.client, o.instance, o.mark, o.expected, o.answered, o.succeeded, o.revision, o.seen)
}

func registerOf(kvs []*mvccpb.KeyValue) register {
	if len(kvs) == 0 {
		return register{}
	}
	return register{string(kvs[0].Value), kvs[0].Version}
}

var (
	begin   = time.Now()
	counter atomic.Int64
)

func now() int64 { return int64(time.Since(begin)) }

func unique(what string) string { return fmt.Sprintf("%s-%d", what, counter.Add(1)) }

// recorder collects the operations of one round.
type recorder struct {
	lock sync.Mutex
	all  []*operation
}

func (r *recorder) add(o *operation) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.all = append(r.all, o)
}

// settle finds out by the history what became of the calls without an answer: those that had no effect
// are dropped, the others may have had it at any time after the call.
func (r *recorder) settle(h *truth) (kept []*operation, unknown int) {
	for _, o := range r.all {
		if !o.answered {
			unknown++
			o.end = math.MaxInt64
			if o.revision = h.of(o.mark); o.action == read || o.revision == 0 {
				continue
			}
			o.succeeded = true
		}
		kept = append(kept, o)
	}
	return kept, unknown
}

// checkTold holds every answer against the history: an acknowledged write is there, once, at the
// revision that was named; a read saw what had been written.
func checkTold(all []*operation, h *truth) error {
	for _, o := range all {
		wrote := o.action == write || o.action == remove || (o.action == swap && o.succeeded)
		if wrote && h.of(o.mark) != o.revision {
			return fmt.Errorf("lost: %s; its mark is at revision %d", o, h.of(o.mark))
		}
		if o.action == swap && !o.succeeded && h.of(o.mark) != 0 {
			return fmt.Errorf("a refused swap had an effect at %d: %s", h.of(o.mark), o)
		}
		if o.seen.value == "" {
			continue
		}
		at := h.of(o.seen.value)
		if c, ok := h.at(at, o.key); !ok || c.value != o.seen.value || c.version != o.seen.version {
			return fmt.Errorf("seen, but not written so: %s; revision %d says %v", o, at, c)
		}
	}
	return nil
}

// checkRealTime holds the revisions against the clock: who asks after an answer was given is not told
// of a state before it, whichever instances they talk to.
func checkRealTime(all []*operation) error {
	byCall, byEnd := slices.Clone(all), slices.Clone(all)
	slices.SortFunc(byCall, func(a, b *operation) int { return cmp.Compare(a.call, b.call) })
	slices.SortFunc(byEnd, func(a, b *operation) int { return cmp.Compare(a.end, b.end) })
	var newest *operation
	next := 0
	for _, o := range byCall {
		for ; next < len(byEnd) && byEnd[next].end < o.call; next++ {
			if newest == nil || byEnd[next].revision > newest.revision {
				newest = byEnd[next]
			}
		}
		if newest != nil && o.revision < newest.revision {
			return fmt.Errorf("stale: %s, %d ns after the end of %s", o, o.call-newest.end, newest)
		}
	}
	return nil
}

// model is a register with versions; every key is one.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(*operation).key
			byKey[key] = append(byKey[key], o)
		}
		var out [][]porcupine.Operation
		for _, one := range byKey {
			out = append(out, one)
		}
		return out
	},
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		before, o := state.(register), input.(*operation)
		after := register{o.mark, before.version + 1}
		switch o.action {
		case read:
			return before == o.seen, before
		case write:
			return true, after
		case remove:
			return true, register{}
		}
		if o.succeeded {
			return before.version == o.expected, after
		}
		return before.version != o.expected && before == o.seen, before
	},
}

func checkLinearizable(all []*operation) error {
	history := make([]porcupine.Operation, len(all))
	for i, o := range all {
		history[i] = porcupine.Operation{ClientId: o.client, Input: o, Call: o.call, Return: o.end}
	}
	switch porcupine.CheckOperationsTimeout(model, history, time.Minute) {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return fmt.Errorf("the history of %d operations is not linearizable", len(all))
	}
	return fmt.Errorf("the history of %d operations was not decided within a minute", len(all))
}
