package kill

import (
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// ledger is what the clients of one life of the server know: what was acknowledged to them, what they
// saw, and which calls they never heard the end of.
type ledger struct {
	lock      sync.Mutex
	told      map[int64]string // revision -> signature, acknowledged to its writer
	seen      map[int64]string // revision -> signature, delivered by a watch
	read      map[int64]string // revision -> mark of the put that a read showed
	doubtful  map[string]int   // signatures of calls without an answer
	highest   int64            // revision in any answer's header
	errs      []error
	granted   map[int64]bool // leases acknowledged
	revoked   map[int64]bool
	uncertain map[int64]bool // leases whose grant or revoke had no answer
	calls     int
}

func newLedger() *ledger {
	return &ledger{told: map[int64]string{}, seen: map[int64]string{}, read: map[int64]string{},
		doubtful: map[string]int{}, granted: map[int64]bool{}, revoked: map[int64]bool{}, uncertain: map[int64]bool{}}
}

func (l *ledger) fail(format string, arguments ...any) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.errs = append(l.errs, fmt.Errorf(format, arguments...))
}

// acknowledge notes a write. Two acknowledged writes never share a revision.
func (l *ledger) acknowledge(revision int64, changed string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.calls++
	l.highest = max(l.highest, revision)
	if other, taken := l.told[revision]; taken {
		l.errs = append(l.errs, fmt.Errorf("revision %d acknowledged twice: %s and %s", revision, other, changed))
	}
	l.told[revision] = changed
}

func (l *ledger) doubt(changed string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.doubtful[changed]++
}

func (l *ledger) saw(revision int64, events []*mvccpb.Event) {
	changed := signature(events)
	l.lock.Lock()
	defer l.lock.Unlock()
	l.highest = max(l.highest, revision)
	if other, known := l.seen[revision]; known && other != changed {
		l.errs = append(l.errs, fmt.Errorf("two watches saw revision %d differently: %s and %s", revision, other, changed))
	}
	l.seen[revision] = changed
}

func (l *ledger) readAt(header int64, kvs []*mvccpb.KeyValue) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.highest = max(l.highest, header)
	for _, kv := range kvs {
		l.read[kv.ModRevision] = putMark(string(kv.Key), kv.Value, kv.Lease)
	}
}

// check holds one revision of the true history against what clients know of it.
func (l *ledger) check(revision int64, events []*mvccpb.Event) error {
	changed := signature(events)
	if told, found := l.told[revision]; found {
		delete(l.told, revision)
		if told != changed {
			return fmt.Errorf("revision %d was acknowledged as %s but is %s", revision, told, changed)
		}
	} else if l.doubtful[changed] > 0 {
		l.doubtful[changed]--
	} else {
		return fmt.Errorf("revision %d (%s) was written by nobody", revision, changed)
	}
	if seen, found := l.seen[revision]; found {
		delete(l.seen, revision)
		if seen != changed {
			return fmt.Errorf("a watch saw revision %d as %s but it is %s", revision, seen, changed)
		}
	}
	if mark, found := l.read[revision]; found {
		delete(l.read, revision)
		for _, event := range events {
			if event.Type == mvccpb.Event_PUT && putMark(string(event.Kv.Key), event.Kv.Value, event.Kv.Lease) == mark {
				return nil
			}
		}
		return fmt.Errorf("a read saw %s at revision %d, which is %s", mark, revision, changed)
	}
	return nil
}

// settle is called when the history was checked up to `revision`: nothing above it may be known.
func (l *ledger) settle(revision int64) error {
	for lost, changed := range l.told {
		return fmt.Errorf("acknowledged revision %d is lost: %s", lost, changed)
	}
	for lost, changed := range l.seen {
		return fmt.Errorf("revision %d, which a watch delivered, is lost: %s", lost, changed)
	}
	for lost, mark := range l.read {
		if lost > revision {
			return fmt.Errorf("revision %d, which a read showed, is lost: %s", lost, mark)
		}
	}
	if l.highest > revision {
		return fmt.Errorf("a client saw revision %d but the store is at %d", l.highest, revision)
	}
	return nil
}

func (l *ledger) leaseGranted(id int64) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.calls++
	l.granted[id] = true
}

func (l *ledger) leaseRevoked(id int64) {
	l.lock.Lock()
	defer l.lock.Unlock()
	delete(l.granted, id)
	l.revoked[id] = true
}

func (l *ledger) leaseDoubt(id int64) {
	l.lock.Lock()
	defer l.lock.Unlock()
	delete(l.granted, id)
	l.uncertain[id] = true
}

// settleLeases holds the server's leases against those of earlier lives and of this one, and gives
// the set that lives now.
func (l *ledger) settleLeases(before map[int64]bool, now map[int64]bool) error {
	for id := range l.granted {
		before[id] = true
	}
	for id := range before {
		if !now[id] {
			return fmt.Errorf("lease %x is lost", id)
		}
	}
	for id := range now {
		if l.revoked[id] {
			return fmt.Errorf("lease %x was revoked but lives", id)
		}
		if !before[id] && !l.uncertain[id] {
			return fmt.Errorf("lease %x was granted to nobody", id)
		}
		before[id] = true
	}
	return nil
}
