package kube

import (
	"testing"

	"keelson/compat/harness"
)

// amount says how much a scenario does.
type amount struct {
	custom int // kinds of custom resources
	each   int // objects of each kind
	events int // events with a TTL
	kills  int
}

var full = amount{custom: 50, each: 40, events: 500, kills: 20}

// scenario does everything on one store: objects of all kinds, the API server restarted on the full
// store, and the store killed under load.
func scenario(t *testing.T, short amount, options harness.Options) {
	of := short
	if harness.Proving() {
		of = full
	}
	s := newSuite(t, of.custom, options)
	s.watchAll()
	s.namespaceLife()
	seeGone := s.mortalEvents(of.events)
	s.objects(of.each)
	s.settle()
	s.must(s.api.restart(s.client))
	for _, k := range s.kinds {
		s.must(s.awaitKind(k))
		s.must(s.checkPages(k, of.each-(of.each+2)/3))
	}
	s.settle()
	seeGone()
	s.kills(of.kills)
	s.settle()
}

func TestPlaintext(t *testing.T) {
	scenario(t, amount{custom: 5, each: 40, events: 60, kills: 3}, harness.Options{Kind: harness.Native})
}

func TestMain(m *testing.M) { harness.Main(m) }

// TestSQL does the same on the logs in SQL, which take turns in the short form.
func TestSQL(t *testing.T) {
	for _, kind := range harness.Turn(t, harness.Seed(t), harness.SQLite, harness.Postgres) {
		t.Run(string(kind), func(t *testing.T) {
			scenario(t, amount{custom: 1, each: 15, events: 10, kills: 1}, harness.Options{Kind: kind})
		})
	}
}

// TestTLS does the same over TLS with client certificates.
func TestTLS(t *testing.T) {
	files, err := harness.NewTLS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files.ClientAuth = true
	scenario(t, amount{custom: 1, each: 15, events: 10, kills: 1}, harness.Options{Kind: harness.Native, TLS: files})
}

// TestMeasure does the workload of ./dev swap, tiny, and looks for what the table shows of each phase.
func TestMeasure(t *testing.T) {
	work := Workload{Objects: 12, Callers: 4, Lists: 4, Watchers: 2}
	figures, err := Measure(harness.Options{Kind: harness.Memory, Dir: t.TempDir()}, nil, work)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{"create": 48, "get": 48, "patch": 48, "list": 4, "watch": 24, "delete": 48}
	for _, f := range figures {
		if f.Calls != calls[f.Phase] {
			t.Errorf("%s: %d calls, expected %d", f.Phase, f.Calls, calls[f.Phase])
		}
		if f.Seconds <= 0 || f.P99 < f.P50 || f.API <= 0 || f.Resident <= 0 || f.Database != 0 {
			t.Errorf("%+v", f)
		}
		delete(calls, f.Phase)
	}
	if len(calls) != 0 {
		t.Errorf("not measured: %v", calls)
	}
}
