package kube

import (
	"testing"

	"keelson/compat/harness"
)

// TestPlaintext does everything on one store: objects of all kinds, the API server restarted on the
// full store, and the store killed under load.
func TestPlaintext(t *testing.T) {
	custom, each, events, kills := 5, 40, 60, 3
	if harness.Proving() {
		custom, each, events, kills = 50, 40, 500, 20
	}
	s := newSuite(t, custom, nil)
	s.watchAll()
	s.namespaceLife()
	seeGone := s.mortalEvents(events)
	s.objects(each)
	s.settle()
	s.must(s.api.restart(s.client))
	for _, k := range s.kinds {
		s.must(s.awaitKind(k))
		s.must(s.checkPages(k, each-(each+2)/3))
	}
	s.settle()
	seeGone()
	s.kills(kills)
	s.settle()
}

// TestTLS does the same work over TLS with client certificates, without the kills.
func TestTLS(t *testing.T) {
	files, err := harness.NewTLS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files.ClientAuth = true
	s := newSuite(t, 1, files)
	s.watchAll()
	s.namespaceLife()
	s.objects(15)
	s.settle()
	s.must(s.api.restart(s.client))
	s.must(s.awaitKind(customKind(0)))
	s.kills(1)
	s.settle()
}
