package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"keelson/compat/harness"
)

const (
	namespaces   = 5
	namespaceFix = "test-ns-"
	watchesEach  = 3 // of every kind, by as many clients
	objectCalls  = 16
	pageSize     = 7
	settleLimit  = 30 * time.Second
)

func namespaceOf(i int) string { return fmt.Sprintf("%s%d", namespaceFix, i%namespaces) }

func inTestNamespace(name string) bool { return strings.HasPrefix(name, namespaceFix) }

// suite is one store with an API server on it, all that watches them, and what is known about them.
type suite struct {
	t       *testing.T
	store   *harness.Server
	api     *apiServer
	client  *client
	book    *book
	kinds   []kind
	ctx     context.Context
	group   sync.WaitGroup
	journal *journal
	watches []*apiWatch
}

// newSuite starts everything and makes namespaces and custom kinds.
func newSuite(t *testing.T, customKinds int, options harness.Options) *suite {
	t.Helper()
	s := &suite{t: t, book: newBook()}
	s.store = harness.Start(t, options)
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = ctx
	s.journal = startJournal(ctx, &s.group, s.store)
	api, err := newAPIServer(t.TempDir(), s.store)
	s.must(err)
	s.api, s.client = api, newClient(api.url())
	t.Cleanup(func() {
		cancel()
		api.stop()
		s.group.Wait()
	})
	start := time.Now()
	s.must(api.start())
	s.must(api.awaitReady(s.client, 2*time.Minute))
	t.Logf("kube-apiserver ready after %.1f s", time.Since(start).Seconds())
	for i := range namespaces {
		_, err := s.client.create("/api/v1/namespaces", object{"metadata": map[string]any{"name": namespaceOf(i)}})
		s.must(err)
	}
	s.kinds = builtinKinds()
	for i := range customKinds {
		s.kinds = append(s.kinds, customKind(i))
	}
	s.must(parallel(4, customKinds, func(i int) error {
		k := customKind(i)
		if _, err := s.client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", k.definition()); err != nil {
			return err
		}
		return s.awaitKind(k)
	}))
	return s
}

func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// awaitKind waits until a custom kind is served.
func (s *suite) awaitKind(k kind) error {
	end := time.Now().Add(time.Minute)
	for {
		_, err := s.client.get(k.all())
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// watchAll opens the API's watches of every kind, each from the revision of a list of its own.
func (s *suite) watchAll() {
	s.t.Helper()
	for _, k := range s.kinds {
		list, err := s.client.list(k.all(), 0)
		s.must(err)
		for range watchesEach {
			s.watches = append(s.watches, startWatch(s.ctx, &s.group, s.api.url(), k, list.revision))
		}
	}
}

// settle waits until all watches have reached the end of the history and checks them against it, the
// history against what was acknowledged, and the lists against both.
func (s *suite) settle() {
	s.t.Helper()
	_, err := s.journal.awaitEnd(settleLimit)
	s.must(err)
	truth := map[string][]change{}
	for _, k := range s.kinds {
		changes := s.journal.of(k)
		truth[k.plural] = changes
		s.must(s.book.checkJournal(k, changes))
		list, err := s.client.list(k.all(), 0)
		s.must(err)
		s.must(s.book.checkList(k, list))
	}
	end := time.Now().Add(settleLimit)
	segments, resumed, events := 0, 0, 0
	for _, w := range s.watches {
		changes := truth[w.kind.plural]
		for len(changes) > 0 && w.reachedRevision() < changes[len(changes)-1].revision {
			if time.Now().After(end) {
				s.t.Fatalf("watch of %s is at %d, the last event at %d; %v", w.kind.plural, w.reachedRevision(),
					changes[len(changes)-1].revision, w.compare(changes))
			}
			time.Sleep(20 * time.Millisecond)
		}
		s.must(w.compare(changes))
		segments += len(w.segments)
		resumed += w.resumed
		events += w.seen()
	}
	s.t.Logf("%d API watches in order: %d events, resumed %d times, listed anew %d times; store's history of %d revisions, "+
		"its watch resumed %d times", len(s.watches), events, resumed, segments-len(s.watches), s.journal.position(),
		s.journal.resumed)
}
