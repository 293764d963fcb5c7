package sql

import (
	"math"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// The checks themselves are checked: each kind of damage is noticed, and nothing else.

func told(h *truth, revision int64, key, value string, version int64) {
	h.add(0, revision, []*mvccpb.Event{{Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), Version: version}}})
}

func history() *truth {
	h := newTruth()
	told(h, 2, "k", "a", 1)
	told(h, 3, "k", "b", 2)
	return h
}

func answered(o operation, call, end int64) *operation {
	o.call, o.end, o.answered, o.key = call, end, true, "k"
	return &o
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, expected an error with %q", err, text)
	}
}

func TestChecksAcceptWhatIsRight(t *testing.T) {
	all := []*operation{
		answered(operation{action: write, mark: "a", revision: 2}, 1, 3),
		answered(operation{action: read, revision: 3, seen: register{"b", 2}}, 2, 6),
		answered(operation{action: swap, mark: "b", expected: 1, succeeded: true, revision: 3}, 4, 5),
		answered(operation{action: swap, mark: "c", expected: 1, revision: 3, seen: register{"b", 2}}, 5, 6),
	}
	must(t, checkTold(all, history()))
	must(t, checkRealTime(all))
	must(t, checkLinearizable(all))
}

func TestChecksNoticeDamage(t *testing.T) {
	h := history()
	wantError(t, checkTold([]*operation{answered(operation{action: write, mark: "x", revision: 4}, 1, 2)}, h), "lost")
	wantError(t, checkTold([]*operation{answered(operation{action: write, mark: "a", revision: 3}, 1, 2)}, h), "lost")
	wantError(t, checkTold([]*operation{answered(operation{action: swap, mark: "a", revision: 3}, 1, 2)}, h), "refused swap")
	wantError(t, checkTold([]*operation{answered(operation{action: read, seen: register{"a", 2}}, 1, 2)}, h), "not written so")
	wantError(t, checkTold([]*operation{answered(operation{action: read, seen: register{"z", 1}}, 1, 2)}, h), "not written so")
	stale := []*operation{
		answered(operation{action: write, mark: "b", revision: 3}, 1, 2),
		answered(operation{action: read, revision: 2, seen: register{"a", 1}}, 3, 4),
	}
	wantError(t, checkRealTime(stale), "stale")
	wantError(t, checkLinearizable(stale), "not linearizable")
	told(h, 4, "k", "a", 3)
	wantError(t, h.err(), "written twice")
	h = history()
	told(h, 3, "k", "other", 2)
	wantError(t, h.err(), "but was")
}

// A write without an answer may have its effect at any time after the call, or never.
func TestChecksOfUnknownOutcomes(t *testing.T) {
	r := &recorder{all: []*operation{
		{action: write, key: "k", mark: "b", call: 1, end: 2},
		{action: write, key: "k", mark: "never", call: 1, end: 2},
		{action: read, key: "k", call: 1, end: 2},
	}}
	kept, unknown := r.settle(history())
	if len(kept) != 1 || unknown != 3 || kept[0].revision != 3 || kept[0].end != math.MaxInt64 {
		t.Fatalf("%v, %d", kept, unknown)
	}
	all := []*operation{kept[0], answered(operation{action: write, mark: "a", revision: 2}, 5, 6),
		answered(operation{action: read, revision: 3, seen: register{"b", 2}}, 7, 8)}
	must(t, checkTold(all, history()))
	must(t, checkRealTime(all))
	must(t, checkLinearizable(all))
}
