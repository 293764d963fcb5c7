package kube

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const loadCallers = 12

// load works on names that nobody else uses until it is told to stop. A call without an answer, or
// with an error that the dying store may cause, gives its name up.
type load struct {
	suite *suite
	stop  chan struct{}
	group sync.WaitGroup
	lock  sync.Mutex
	errs  []error
	calls atomic.Int64
}

func (s *suite) startLoad(round string) *load {
	l := &load{suite: s, stop: make(chan struct{})}
	for caller := range loadCallers {
		l.group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.stop:
					return
				default:
				}
				k := s.kinds[(caller+i)%len(s.kinds)]
				l.life(k, namespaceOf(i), fmt.Sprintf("load-%s-%02d-%05d", round, caller, i))
			}
		})
	}
	return l
}

// life creates an object, patches it a few times and perhaps deletes it.
func (l *load) life(k kind, namespace, name string) {
	s := l.suite
	path, full := k.in(namespace)+"/"+name, namespace+"/"+name
	step := func(what, state string, call func() (object, error)) bool {
		answer, err := call()
		if err != nil {
			l.settle(k, full, what, err)
			return false
		}
		if err := k.correct(answer, full, state); err != nil {
			l.fail(err)
			return false
		}
		l.calls.Add(1)
		s.book.acknowledge(k, what, answer)
		return true
	}
	if !step("ADDED", "created", func() (object, error) {
		return s.client.create(k.in(namespace), k.build(namespace, name, "created"))
	}) {
		return
	}
	for i := range rand.IntN(3) {
		state := fmt.Sprintf("patched-%d", i)
		if !step("MODIFIED", state, func() (object, error) { return s.client.patch(path, k.change(name, state)) }) {
			return
		}
	}
	if rand.IntN(2) == 0 {
		if _, err := s.client.remove(path); err != nil {
			l.settle(k, full, "DELETED", err)
			return
		}
		l.calls.Add(1)
		s.book.deleted(s.book.entry(k, full))
	}
}

// settle deals with an error: only those that a dead store explains are allowed.
func (l *load) settle(k kind, name, what string, err error) {
	var answer *apiError
	if errors.As(err, &answer) && answer.code < 500 && answer.code != 429 && answer.code != 409 {
		l.fail(fmt.Errorf("%s %s %s: %w", what, k.plural, name, err))
	}
	l.suite.book.giveUp(k, name)
	time.Sleep(20 * time.Millisecond)
}

func (l *load) fail(err error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.errs = append(l.errs, err)
}

func (l *load) end() error {
	close(l.stop)
	l.group.Wait()
	return errors.Join(l.errs...)
}

// kills ends the store by SIGKILL `n` times under load and starts it again on its folder and ports.
func (s *suite) kills(n int) {
	s.t.Helper()
	l := s.startLoad("kill")
	var longest time.Duration
	for i := range n {
		time.Sleep(500*time.Millisecond + rand.N(1500*time.Millisecond))
		s.store.Kill()
		if i%2 == 0 {
			time.Sleep(rand.N(time.Second)) // else it is back at once
		}
		s.must(s.store.Start())
		start, before := time.Now(), l.calls.Load()
		s.must(s.api.awaitReady(s.client, time.Minute))
		for l.calls.Load() < before+loadCallers { // the load runs again
			if time.Since(start) > time.Minute {
				s.t.Fatalf("no call succeeded for a minute after kill %d\n%s", i, s.api.logTail())
			}
			time.Sleep(20 * time.Millisecond)
		}
		longest = max(longest, time.Since(start))
	}
	s.must(l.end())
	s.t.Logf("%d kills under load: %d calls acknowledged, %d names given up, load back after at most %.1f s", n,
		l.calls.Load(), s.book.lost, longest.Seconds())
}
