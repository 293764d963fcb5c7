// bench compares Keelson with etcd 3.7.3 on this machine in one run: `./dev bench`.
//
// Every phase runs on both servers in turn, with the same loader, and the table shows the median of
// the rounds. The figure to trust is the server's CPU time per operation, from the scheduler's count
// of nanoseconds of each of its threads: the loader shares the machine with both servers.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"keelson/compat/harness"
)

var (
	short  = flag.Bool("short", false, "small sizes and one round, to see that it works")
	rounds = flag.Int("rounds", 0, "rounds of every phase (default 5; 1 with -short)")
	only   = flag.String("only", "", "regular expression: phases to run; creates of other phases run as needed")
	folder = flag.String("dir", "", "where the data folders go (default: the temporary folder); a real disk")
	kine   = flag.Bool("kine", false, "measure the SQL backends against kine 0.16.4 instead")
	peers  = flag.Bool("etcd-only", false, "measure etcd alone, to hold the loader against another")
)

// runner holds the samples: phase -> server -> one per round.
type runner struct {
	size       sizes
	root       string
	contenders []contender // the peer, and Keelson
	phases     []phase     // of a round
	goals      []goal
	database   *harness.PostgresServer // that both use, if they do
	only       *regexp.Regexp
	samples    map[string]map[string][]sample
}

func newRunner(contenders []contender, phases []phase, goals []goal) *runner {
	return &runner{contenders: contenders, phases: phases, goals: goals,
		samples: map[string]map[string][]sample{}, only: regexp.MustCompile(*only)}
}

func main() {
	flag.Parse()
	against := againstEtcd
	if *kine {
		against = againstKine
	}
	met, err := against()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if !met {
		os.Exit(3)
	}
}

func againstEtcd() (bool, error) {
	r := newRunner(etcdContenders(), roundPhases(), etcdGoals)
	r.size = fullSizes()
	if *short {
		r.size = shortSizes()
	}
	if *rounds > 0 {
		r.size.rounds, r.size.pauseTimes = *rounds, *rounds
	}
	if *peers {
		r.contenders = r.contenders[:1]
	}
	if err := r.all(); err != nil {
		return false, err
	}
	return r.report(os.Stdout), nil
}

func (r *runner) all() error {
	root, err := os.MkdirTemp(*folder, "keelson-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	r.root = root
	if err := r.allRounds(); err != nil {
		return err
	}
	if err := r.loaded("large list", r.size.large, r.size.rounds, largeList); err != nil {
		return err
	}
	if err := r.loaded("restart", r.size.stored, r.size.rounds, restart); err != nil {
		return err
	}
	return r.loaded("compaction", 0, r.size.pauseTimes, pausing)
}

func (r *runner) allRounds() error {
	start := time.Now()
	for round := range r.size.rounds {
		progress("round %d of %d (%.0f s so far)", round+1, r.size.rounds, time.Since(start).Seconds())
		if err := r.round(); err != nil {
			return err
		}
	}
	return nil
}

func progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
}

// open starts one fresh server of each kind; the function it gives ends them.
func (r *runner) open() ([]*target, func(), error) {
	var targets []*target
	end := func() {
		for _, t := range targets {
			t.close()
		}
	}
	for _, c := range r.contenders {
		t, err := openTarget(c, r.root, objectSize)
		if err != nil {
			end()
			return nil, nil, err
		}
		targets = append(targets, t)
	}
	return targets, end, nil
}

func (r *runner) measure(p phase, targets []*target) error {
	for _, t := range targets {
		s, err := r.sampled(p, t)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if r.samples[p.name] == nil {
			r.samples[p.name] = map[string][]sample{}
		}
		r.samples[p.name][t.name] = append(r.samples[p.name][t.name], s)
		progress("  %-18s %-8s %9.0f/s %9.2f us CPU each, %5.2f s CPU, p50 %.2f p99 %.2f worst %.1f ms, %.0f MiB%s",
			p.name, t.name, s.rate(), s.cpuMicro(), s.cpu, s.p50, s.p99, s.worst, s.rss, remarks(s))
	}
	return nil
}

// sampled runs a phase, with the time of the database that it uses.
func (r *runner) sampled(p phase, t *target) (sample, error) {
	if r.database == nil {
		return p.run(t, r.size)
	}
	before, err := r.database.CPU()
	if err != nil {
		return sample{}, err
	}
	s, err := p.run(t, r.size)
	if err != nil {
		return s, err
	}
	after, err := r.database.CPU()
	s.database = after - before
	return s, err
}

func remarks(s sample) string {
	text := ""
	if s.whole > 0 {
		text += fmt.Sprintf(", %.2f s CPU in all", s.whole)
	}
	if s.beside > 0 {
		text += fmt.Sprintf(", beside %.0f/s", s.beside)
	}
	if s.database > 0 {
		text += fmt.Sprintf(", %.2f us of the database's CPU each", s.databaseMicro())
	}
	if s.ended > 0 {
		text += fmt.Sprintf(", %d threads ended: their time is missing", s.ended)
	}
	return text
}

// needs names the phases whose objects another phase works on.
var needs = map[string]string{"update": "create", "get": "create", "delete": "create"}

func (r *runner) wanted(name string) bool { return r.only.MatchString(name) }

func (r *runner) round() error {
	var chosen []phase
	needed := map[string]bool{}
	for _, p := range r.phases {
		if r.wanted(p.name) {
			needed[p.name], needed[needs[p.name]] = true, true
		}
	}
	for _, p := range r.phases {
		if needed[p.name] {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	targets, end, err := r.open()
	if err != nil {
		return err
	}
	defer end()
	for _, t := range targets {
		if err := t.load(listPrefix, r.size.listed); err != nil {
			return err
		}
	}
	for _, p := range chosen {
		if err := r.measure(p, targets); err != nil {
			return err
		}
	}
	return nil
}

// loaded runs one phase several times on servers that first get `objects` objects.
func (r *runner) loaded(name string, objects, times int, run func(*target, sizes) (sample, error)) error {
	if !r.wanted(name) {
		return nil
	}
	targets, end, err := r.open()
	if err != nil {
		return err
	}
	defer end()
	for _, t := range targets {
		if err := t.loadFast(writePrefix, objects); err != nil {
			return err
		}
	}
	for range times {
		if err := r.measure(phase{name, run}, targets); err != nil {
			return err
		}
	}
	return nil
}
