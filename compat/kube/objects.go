package kube

import (
	"fmt"
	"strings"
	"time"
)

// objects creates, reads, lists, patches and deletes `each` objects of every kind and checks every
// answer; a third of them is deleted again.
func (s *suite) objects(each int) {
	s.t.Helper()
	total := each * len(s.kinds)
	pick := func(i int) (kind, string, string) {
		return s.kinds[i%len(s.kinds)], namespaceOf(i / len(s.kinds)), fmt.Sprintf("object-%04d", i/len(s.kinds))
	}
	start := time.Now()
	s.must(parallel(objectCalls, total, func(i int) error {
		k, namespace, name := pick(i)
		return s.create(k, namespace, name)
	}))
	created := time.Since(start)
	s.must(parallel(objectCalls, len(s.kinds), func(i int) error { return s.checkPages(s.kinds[i], each) }))
	s.must(parallel(objectCalls, total, func(i int) error {
		k, namespace, name := pick(i)
		return s.modify(k, namespace, name, "patched")
	}))
	s.must(parallel(objectCalls, total, func(i int) error {
		if i/len(s.kinds)%3 != 0 {
			return nil
		}
		k, namespace, name := pick(i)
		return s.remove(k, namespace, name)
	}))
	s.must(parallel(objectCalls, len(s.kinds), func(i int) error { return s.checkPages(s.kinds[i], each-(each+2)/3) }))
	s.t.Logf("%d objects of %d kinds created in %.1f s; listed, patched and deleted in %.1f s", total, len(s.kinds),
		created.Seconds(), (time.Since(start) - created).Seconds())
}

func (s *suite) create(k kind, namespace, name string) error {
	answer, err := s.client.create(k.in(namespace), k.build(namespace, name, "created"))
	if err != nil {
		return err
	}
	if err := k.correct(answer, namespace+"/"+name, "created"); err != nil {
		return err
	}
	s.book.acknowledge(k, "ADDED", answer)
	again, err := s.client.get(k.in(namespace) + "/" + name)
	if err != nil {
		return err
	}
	if again.revision() != answer.revision() || again.text("uid") != answer.text("uid") {
		return fmt.Errorf("%s %s: created as %v, read as %v", k.plural, name, answer.meta(), again.meta())
	}
	if _, err := s.client.create(k.in(namespace), k.build(namespace, name, "twice")); !hasCode(err, 409) {
		return fmt.Errorf("creating %s %s twice: %v", k.plural, name, err)
	}
	return k.correct(again, namespace+"/"+name, "created")
}

func (s *suite) modify(k kind, namespace, name, state string) error {
	answer, err := s.client.patch(k.in(namespace)+"/"+name, k.change(name, state))
	if err != nil {
		return err
	}
	before := s.book.entry(k, namespace+"/"+name)
	if before != nil && answer.revision() <= before.revision {
		return fmt.Errorf("%s %s: revision %d after %d", k.plural, name, answer.revision(), before.revision)
	}
	if err := k.correct(answer, namespace+"/"+name, state); err != nil {
		return err
	}
	s.book.acknowledge(k, "MODIFIED", answer)
	return nil
}

func (s *suite) remove(k kind, namespace, name string) error {
	path := k.in(namespace) + "/" + name
	if _, err := s.client.remove(path); err != nil {
		return err
	}
	s.book.deleted(s.book.entry(k, namespace+"/"+name))
	if _, err := s.client.get(path); !missing(err) {
		return fmt.Errorf("%s %s after its deletion: %v", k.plural, name, err)
	}
	if _, err := s.client.remove(path); !missing(err) {
		return fmt.Errorf("deleting %s %s twice: %v", k.plural, name, err)
	}
	return nil
}

// checkPages lists a kind in pages and namespace by namespace.
func (s *suite) checkPages(k kind, count int) error {
	list, err := s.client.list(k.all(), pageSize)
	if err != nil {
		return err
	}
	if want := (count + pageSize - 1) / pageSize; len(list.items) == count && list.pages != want {
		return fmt.Errorf("%s: %d pages, expected %d", k.plural, list.pages, want)
	}
	if err := s.book.checkList(k, list); err != nil {
		return err
	}
	for n := range namespaces {
		part, err := s.client.list(k.in(namespaceOf(n)), pageSize)
		if err != nil {
			return err
		}
		expected := 0
		for _, o := range list.items {
			if strings.HasPrefix(o.name(), namespaceOf(n)+"/") {
				expected++
			}
		}
		if len(part.items) != expected {
			return fmt.Errorf("%s of %s: %d, expected %d", k.plural, namespaceOf(n), len(part.items), expected)
		}
	}
	return nil
}

// mortalEvents creates events, which live for eventTTL, and gives a function that sees them gone.
func (s *suite) mortalEvents(n int) func() {
	s.t.Helper()
	k := eventKind()
	s.must(parallel(objectCalls, n, func(i int) error {
		namespace, name := namespaceOf(i), fmt.Sprintf("event-%04d", i)
		answer, err := s.client.create(k.in(namespace), k.build(namespace, name, "created"))
		if err != nil {
			return err
		}
		return k.correct(answer, namespace+"/"+name, "created")
	}))
	start := time.Now()
	list, err := s.client.list(k.all(), pageSize)
	s.must(err)
	if found := len(ofTest(list)); found != n && time.Since(start) < eventTTL/2 {
		s.t.Errorf("%d events of %d", found, n)
	}
	return func() {
		s.t.Helper()
		end := start.Add(4 * eventTTL)
		for {
			list, err := s.client.list(k.all(), pageSize)
			s.must(err)
			left := len(ofTest(list))
			if left == 0 {
				break
			}
			if time.Now().After(end) {
				s.t.Fatalf("%d of %d events live %s after the last was created", left, n, time.Since(start))
			}
			time.Sleep(200 * time.Millisecond)
		}
		s.t.Logf("%d events ended with their lease within %.1f s", n, time.Since(start).Seconds())
	}
}

func ofTest(list *listing) []object {
	var out []object
	for _, o := range list.items {
		if inTestNamespace(o.name()) {
			out = append(out, o)
		}
	}
	return out
}

// namespaceLife creates, lists, patches and deletes a namespace. No controller runs that would empty
// it, so the test takes its finalizer away.
func (s *suite) namespaceLife() {
	s.t.Helper()
	const path = "/api/v1/namespaces/short-lived"
	_, err := s.client.create("/api/v1/namespaces", object{"metadata": map[string]any{"name": "short-lived"}})
	s.must(err)
	list, err := s.client.list("/api/v1/namespaces", 2)
	s.must(err)
	found := 0
	for _, o := range list.items {
		if inTestNamespace(o.text("name")) || o.text("name") == "short-lived" {
			found++
		}
	}
	if found != namespaces+1 {
		s.t.Errorf("%d namespaces, expected %d", found, namespaces+1)
	}
	patched, err := s.client.patch(path, object{"metadata": map[string]any{"labels": map[string]any{"state": "patched"}}})
	s.must(err)
	if patched.state() != "patched" {
		s.t.Errorf("patched to %v", patched)
	}
	dying, err := s.client.remove(path)
	s.must(err)
	if at(dying, "status", "phase") != "Terminating" {
		s.t.Errorf("deleted to %v", dying)
	}
	dying["spec"] = map[string]any{"finalizers": []any{}}
	_, err = s.client.call("PUT", path+"/finalize", "application/json", dying)
	s.must(err)
	if _, err := s.client.get(path); !missing(err) {
		s.t.Errorf("after its end: %v", err)
	}
}
