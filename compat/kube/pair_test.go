package kube

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"keelson/compat/harness"
)

// station is one Keelson with one API server on it.
type station struct {
	store  *harness.Server
	api    *apiServer
	client *client
}

func startStations(t *testing.T, names ...string) []*station {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	database, err := harness.SharedPostgres()
	must(err)
	url, err := database.CreateDatabase()
	must(err)
	var out []*station
	for _, name := range names {
		s := &station{store: harness.Start(t, harness.Options{Kind: harness.Postgres, Name: name, Database: url})}
		s.api, err = newAPIServer(t.TempDir(), s.store)
		must(err)
		s.client = newClient(s.api.url())
		must(s.api.start())
		t.Cleanup(s.api.stop)
		out = append(out, s)
	}
	for _, s := range out {
		must(s.api.awaitReady(s.client, 2*time.Minute))
	}
	return out
}

const pairNamespace = "default"

// count adds one to an object's counter, however often another one does the same.
func (s *station) count(path string) error {
	for {
		o, err := s.client.get(path)
		if err != nil {
			return err
		}
		data, _ := o["data"].(map[string]any)
		text, _ := data["n"].(string)
		n, _ := strconv.Atoi(text)
		data["n"] = strconv.Itoa(n + 1)
		_, err = s.client.call("PUT", path, "application/json", o)
		if !hasCode(err, 409) {
			return err
		}
	}
}

// TestTwoAPIServers has two API servers on two Keelsons on one database: what one does the other sees
// at once, and neither overwrites what the other wrote.
func TestTwoAPIServers(t *testing.T) {
	pair := startStations(t, "a", "b")
	kind := builtinKinds()[slices.IndexFunc(builtinKinds(), func(k kind) bool { return k.plural == "configmaps" })]
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	var watches []*apiWatch
	for _, s := range pair {
		list, err := s.client.list(kind.all(), 0)
		if err != nil {
			t.Fatal(err)
		}
		watches = append(watches, startWatch(ctx, &group, s.api.url(), kind, list.revision))
	}
	var delays []time.Duration
	for i := range 60 {
		name := fmt.Sprintf("pair-%02d", i)
		from, other := pair[i%2], pair[1-i%2]
		made, err := from.client.create(kind.in(pairNamespace), kind.build(pairNamespace, name, "new"))
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := time.Now()
		got, err := other.client.get(kind.in(pairNamespace) + "/" + name)
		if err != nil || got.revision() != made.revision() {
			t.Fatalf("%s: created at %d, the other API server has %d, %v", name, made.revision(), got.revision(), err)
		}
		for watches[1-i%2].reachedRevision() < made.revision() {
			if time.Since(acknowledged) > 20*time.Second {
				t.Fatalf("%s: the other API server's watch did not deliver it", name)
			}
			time.Sleep(500 * time.Microsecond)
		}
		delays = append(delays, time.Since(acknowledged))
	}
	slices.Sort(delays)
	t.Logf("to the other API server's watch: median %s, longest %s", delays[len(delays)/2], delays[len(delays)-1])
	countTogether(t, pair, kind)
}

// countTogether lets both add to one counter, and one of them lose its Keelson in between.
func countTogether(t *testing.T, pair []*station, kind kind) {
	t.Helper()
	const each = 20
	_, err := pair[0].client.create(kind.in(pairNamespace), object{"metadata": map[string]any{"name": "counter"},
		"data": map[string]any{"n": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	path := kind.in(pairNamespace) + "/counter"
	round := func(stations []*station) {
		t.Helper()
		var group sync.WaitGroup
		for _, s := range stations {
			group.Go(func() {
				for range each {
					if err := s.count(path); err != nil {
						t.Errorf("counting by %s: %v", s.store.Name, err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	round(pair)
	pair[0].store.Kill()
	round(pair[1:])
	if err := pair[0].store.Start(); err != nil {
		t.Fatal(err)
	}
	if err := pair[0].api.awaitReady(pair[0].client, time.Minute); err != nil {
		t.Fatal(err)
	}
	round(pair)
	for _, s := range pair {
		o, err := s.client.get(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := textAt(o, "data", "n"); n != strconv.Itoa(5*each) {
			t.Errorf("%s counts %s, expected %d", s.store.Name, n, 5*each)
		}
	}
}
