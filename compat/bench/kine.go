package main

import (
	"fmt"
	"os"
	"path/filepath"

	"keelson/compat/harness"
)

// kineSizes are what kine can do in minutes: some thousand writes a second.
func kineSizes() sizes {
	return sizes{rounds: 3, writes: 20_000, gets: 30_000, listed: 10_000, lists: 20, updates: 2_000, passes: 1}
}

func kinePhases() []phase {
	return []phase{{"list", runList}, {"watch", runWatch}, {"create", runCreate}, {"update", runUpdate}, {"get", runGet}}
}

var kineGoals = []goal{
	{"create", "create: per second", rateOf, 5, true},
	{"create", "create: CPU us", cpuOf, .15, false},
	{"update", "update: per second", rateOf, 5, true},
	{"update", "update: CPU us", cpuOf, .15, false},
	{"get", "get: CPU us", cpuOf, .05, false},
	{"list", "list of 10,000: per second", rateOf, 20, true},
	{"watch", "event at one of 50 watchers: p99 ms", p99Of, .1, false},
	{"watch", "resident with 50 watchers: MiB", rssOf, 1, false},
}

// comparison is one database under both servers.
type comparison struct {
	title       string
	postgres    bool
	synchronous string // of kine's SQLite
}

var comparisons = []comparison{
	{"PostgreSQL, every commit synced by both", true, ""},
	{"SQLite, every commit synced by both", false, "FULL"},
	{kineAsItComes, false, "NORMAL"},
}

const kineAsItComes = "SQLite, kine as it comes: its commits are not synced"

// againstKine measures each backend against kine 0.16.4 on a database of the same kind and prints a
// table for each. True when every goal was met where the durability is the same.
func againstKine() (bool, error) {
	good := true
	for _, c := range comparisons {
		met, err := c.run()
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.title, err)
		}
		good = good && (met || c.title == kineAsItComes)
	}
	return good, nil
}

func (c comparison) run() (bool, error) {
	progress("%s", c.title)
	root, err := os.MkdirTemp(*folder, "keelson-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(root)
	r := newRunner(nil, kinePhases(), kineGoals)
	r.root, r.size = root, kineSizes()
	if *short {
		r.size.rounds = 1
	}
	if *rounds > 0 {
		r.size.rounds = *rounds
	}
	if c.postgres {
		if r.database, err = harness.NewPostgres(); err != nil {
			return false, err
		}
		defer r.database.Remove()
		r.contenders = onPostgres(r.database)
	} else {
		r.contenders = c.onSQLite(root)
	}
	if err := r.allRounds(); err != nil {
		return false, err
	}
	fmt.Println(c.title)
	return r.report(os.Stdout), nil
}

func onPostgres(database *harness.PostgresServer) []contender {
	plain := func() (string, error) {
		url, err := database.CreateDatabase()
		return harness.KinePostgres(url), err
	}
	return []contender{
		{"kine", harness.Options{Kind: harness.Kine}, plain},
		{"keelson", harness.Options{Kind: harness.Postgres}, database.CreateDatabase},
	}
}

func (c comparison) onSQLite(root string) []contender {
	files := 0
	file := func() (string, error) {
		files++
		return harness.KineSQLite(filepath.Join(root, fmt.Sprintf("kine-%d.db", files)), c.synchronous), nil
	}
	return []contender{
		{"kine", harness.Options{Kind: harness.Kine}, file},
		{"keelson", harness.Options{Kind: harness.SQLite}, nil},
	}
}
