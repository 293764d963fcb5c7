package kube

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// entry is what the API server acknowledged about one name.
type entry struct {
	kind     kind
	name     string // namespace/name
	state    string
	revision int64
	gone     bool
	doubtful bool // an answer was lost: the name is given up
}

// book holds all that was acknowledged.
type book struct {
	lock    sync.Mutex
	entries map[string]*entry
	changes map[string][]change // by plural: acknowledged creates and modifications
	lost    int
}

func newBook() *book { return &book{entries: map[string]*entry{}, changes: map[string][]change{}} }

func (b *book) acknowledge(k kind, what string, o object) *entry {
	b.lock.Lock()
	defer b.lock.Unlock()
	e := &entry{kind: k, name: o.name(), state: o.state(), revision: o.revision()}
	b.entries[k.plural+"/"+e.name] = e
	b.changes[k.plural] = append(b.changes[k.plural], change{what, e.name, e.state, e.revision})
	return e
}

func (b *book) entry(k kind, name string) *entry {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.entries[k.plural+"/"+name]
}

func (b *book) deleted(e *entry) {
	b.lock.Lock()
	defer b.lock.Unlock()
	e.gone = true
}

// giveUp settles a call whose answer was lost: nothing is expected of that name any more.
func (b *book) giveUp(k kind, name string) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.lost++
	b.entries[k.plural+"/"+name] = &entry{kind: k, name: name, doubtful: true}
}

// of gives the entries of a kind.
func (b *book) of(k kind) []*entry {
	b.lock.Lock()
	defer b.lock.Unlock()
	var out []*entry
	for _, e := range b.entries {
		if e.kind.plural == k.plural {
			out = append(out, e)
		}
	}
	return out
}

// checkList holds a full list of a kind against what was acknowledged.
func (b *book) checkList(k kind, list *listing) error {
	items := map[string]object{}
	for i, o := range list.items {
		if items[o.name()] != nil {
			return fmt.Errorf("%s %s is listed twice", k.plural, o.name())
		}
		if i > 0 && list.items[i-1].name() >= o.name() {
			return fmt.Errorf("%s %s is listed after %s", k.plural, o.name(), list.items[i-1].name())
		}
		items[o.name()] = o
	}
	for _, e := range b.of(k) {
		o := items[e.name]
		delete(items, e.name)
		switch {
		case e.doubtful:
		case e.gone && o != nil:
			return fmt.Errorf("%s %s was deleted but is there", k.plural, e.name)
		case e.gone:
		case o == nil:
			return fmt.Errorf("%s %s, acknowledged at revision %d, is missing", k.plural, e.name, e.revision)
		case o.revision() != e.revision:
			return fmt.Errorf("%s %s is at revision %d, acknowledged %d", k.plural, e.name, o.revision(), e.revision)
		default:
			if err := k.correct(o, e.name, e.state); err != nil {
				return err
			}
		}
	}
	for name := range items {
		if inTestNamespace(name) {
			return fmt.Errorf("%s %s was created by nobody", k.plural, name)
		}
	}
	return nil
}

// checkJournal demands that every acknowledged change is in the store's history at its revision.
func (b *book) checkJournal(k kind, truth []change) error {
	byRevision := map[int64]change{}
	for _, c := range truth {
		byRevision[c.revision] = c
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	for _, c := range b.changes[k.plural] {
		if got := byRevision[c.revision]; got.name != c.name || got.what != c.what {
			return fmt.Errorf("acknowledged: %s %s %s at revision %d; the store's history has %v there", k.plural, c.what,
				c.name, c.revision, got)
		}
	}
	return nil
}

// parallel runs n pieces of work on a few callers and gives all errors.
func parallel(callers, n int, work func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, callers)
	for caller := range callers {
		group.Go(func() {
			for i := int(next.Add(1) - 1); i < n && errs[caller] == nil; i = int(next.Add(1) - 1) {
				errs[caller] = work(i)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func hasCode(err error, code int) bool {
	var answer *apiError
	return errors.As(err, &answer) && answer.code == code
}

func missing(err error) bool { return hasCode(err, http.StatusNotFound) }
