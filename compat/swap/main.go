// swap runs the same Kubernetes workload, through a real kube-apiserver, on two stores in turn and
// prints them side by side: `./dev swap etcd postgres`.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"keelson/compat/harness"
	"keelson/compat/kube"
)

var (
	objects  = flag.Int("objects", 500, "objects of each of four kinds")
	callers  = flag.Int("callers", 16, "concurrent clients of the API server")
	lists    = flag.Int("lists", 40, "lists of a whole kind, in pages of 500")
	watchers = flag.Int("watchers", 10, "watches of one kind")
	folder   = flag.String("dir", "", "where the data goes (default: the temporary folder); a real disk")
)

const usage = `usage: ./dev swap [FLAG...] A B
  A and B: native, postgres, sqlite, memory (Keelson's backends), etcd, kine-postgres, kine-sqlite
`

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage); flag.PrintDefaults() }
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := swap(flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "swap:", err)
		os.Exit(1)
	}
}

func swap(a, b string) error {
	var sides [2][]kube.Figures
	for i, name := range []string{a, b} {
		fmt.Fprintf(os.Stderr, "measuring %s\n", name)
		figures, err := measure(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sides[i] = figures
	}
	report(a, b, sides)
	return nil
}

// database is what a store needs beneath it.
type database struct {
	url    string
	server *harness.PostgresServer
}

func (d *database) close() {
	if d.server != nil {
		d.server.Remove()
	}
}

func measure(name string) ([]kube.Figures, error) {
	dir, err := os.MkdirTemp(*folder, "keelson-swap-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	kinds := map[string]harness.Kind{"native": harness.Native, "postgres": harness.Postgres, "sqlite": harness.SQLite,
		"memory": harness.Memory, "etcd": harness.Etcd, "kine-postgres": harness.Kine, "kine-sqlite": harness.Kine}
	kind, known := kinds[name]
	if !known {
		return nil, fmt.Errorf("there is no such store\n%s", usage)
	}
	under, err := openDatabase(name, dir)
	if err != nil {
		return nil, err
	}
	defer under.close()
	return kube.Measure(harness.Options{Kind: kind, Dir: dir, Database: under.url}, under.server,
		kube.Workload{Objects: *objects, Callers: *callers, Lists: *lists, Watchers: *watchers})
}

func openDatabase(name, dir string) (*database, error) {
	d := &database{}
	switch name {
	case "kine-sqlite":
		d.url = harness.KineSQLite(filepath.Join(dir, "kine.db"), "NORMAL")
	case "postgres", "kine-postgres":
		var err error
		if d.server, err = harness.NewPostgres(); err != nil {
			return d, err
		}
		if d.url, err = d.server.CreateDatabase(); err != nil {
			d.close()
			return d, err
		}
		if name == "kine-postgres" {
			d.url = harness.KinePostgres(d.url)
		}
	}
	return d, nil
}

func report(a, b string, sides [2][]kube.Figures) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "phase\tstore\tcalls\tcalls/s\tp50 ms\tp99 ms\tstore us\tdatabase us\tAPI server us\tstore MiB\t")
	for i := range sides[0] {
		for side, name := range []string{a, b} {
			f := sides[side][i]
			each := 1e6 / float64(f.Calls)
			_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%.0f\t%.2f\t%.2f\t%.1f\t%.1f\t%.1f\t%.0f\t\n", f.Phase, name, f.Calls,
				float64(f.Calls)/f.Seconds, f.P50, f.P99, f.Store*each, f.Database*each, f.API*each, f.Resident)
		}
	}
	_ = table.Flush()
	fmt.Println("us: CPU time per call; watch: per event at a watcher, p50 and p99 from a patch's answer to its event")
}
