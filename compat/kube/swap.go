package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"keelson/compat/harness"
)

// Workload says how much a comparison does through the API server.
type Workload struct {
	Objects  int // of each of four kinds
	Callers  int
	Lists    int // of all objects of a kind, in pages of 500
	Watchers int
}

// Figures are one phase of a workload on one store.
type Figures struct {
	Phase    string
	Calls    int
	Seconds  float64
	P50, P99 float64 // milliseconds of a call; of watch: from a patch's answer to its event
	Store    float64 // CPU seconds of the store, of the database under it, and of the API server
	Database float64
	API      float64
	Resident float64 // MiB of the store behind the phase
}

// Trial is a store with an API server on it, to be measured.
type trial struct {
	work     Workload
	store    *harness.Server
	database *harness.PostgresServer // nil where there is none
	api      *apiServer
	client   *client
	kinds    []kind
}

// Measure runs the workload on a fresh store and API server in a folder of the caller's.
func Measure(options harness.Options, database *harness.PostgresServer, work Workload) ([]Figures, error) {
	store, err := harness.New(options)
	if err != nil {
		return nil, err
	}
	defer store.Kill()
	folder := filepath.Join(options.Dir, "apiserver")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	api, err := newAPIServer(folder, store)
	if err != nil {
		return nil, err
	}
	t := &trial{work: work, store: store, database: database, api: api, client: newClient(api.url()), kinds: builtinKinds()}
	defer api.stop()
	if err := api.start(); err != nil {
		return nil, err
	}
	if err := api.awaitReady(t.client, 3*time.Minute); err != nil {
		return nil, err
	}
	return t.run()
}

func (t *trial) run() ([]Figures, error) {
	for i := range namespaces {
		if _, err := t.client.create("/api/v1/namespaces", object{"metadata": map[string]any{"name": namespaceOf(i)}}); err != nil {
			return nil, err
		}
	}
	all := t.work.Objects * len(t.kinds)
	phases := []struct {
		name string
		run  func() ([]time.Duration, error)
	}{
		{"create", t.calls(all, t.create)},
		{"get", t.calls(all, t.get)},
		{"patch", t.calls(all, t.patch("patched"))},
		{"list", t.calls(t.work.Lists, t.list)},
		{"watch", t.watch},
		{"delete", t.calls(all, t.remove)},
	}
	var out []Figures
	for _, phase := range phases {
		figures, err := t.measured(phase.name, phase.run)
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", phase.name, err, t.api.logTail())
		}
		out = append(out, figures)
	}
	return out, nil
}

// spent is the CPU of store, database and API server so far.
func (t *trial) spent() (out [3]float64, err error) {
	if out[0], err = harness.ProcessCPU(t.store.Pid()); err != nil {
		return out, err
	}
	if t.database != nil {
		if out[1], err = t.database.CPU(); err != nil {
			return out, err
		}
	}
	out[2], err = harness.ProcessCPU(t.api.daemon.Pid())
	return out, err
}

func (t *trial) measured(name string, run func() ([]time.Duration, error)) (Figures, error) {
	f := Figures{Phase: name}
	before, err := t.spent()
	if err != nil {
		return f, err
	}
	start := time.Now()
	took, err := run()
	if err != nil {
		return f, err
	}
	f.Calls, f.Seconds = len(took), time.Since(start).Seconds()
	after, err := t.spent()
	if err != nil {
		return f, err
	}
	f.Store, f.Database, f.API = after[0]-before[0], after[1]-before[1], after[2]-before[2]
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1e3 }
	f.P50, f.P99 = at(.5), at(.99)
	f.Resident, err = harness.ResidentMiB(t.store.Pid())
	return f, err
}

// calls makes a phase of `n` equal calls.
func (t *trial) calls(n int, call func(i int) error) func() ([]time.Duration, error) {
	return func() ([]time.Duration, error) {
		took := make([]time.Duration, n)
		err := parallel(t.work.Callers, n, func(i int) error {
			start := time.Now()
			err := call(i)
			took[i] = time.Since(start)
			return err
		})
		return took, err
	}
}

func (t *trial) object(i int) (k kind, namespace, name string) {
	return t.kinds[i%len(t.kinds)], namespaceOf(i / len(t.kinds)), fmt.Sprintf("object-%06d", i/len(t.kinds))
}

func (t *trial) create(i int) error {
	k, namespace, name := t.object(i)
	_, err := t.client.create(k.in(namespace), k.build(namespace, name, "created"))
	return err
}

func (t *trial) get(i int) error {
	k, namespace, name := t.object(i)
	_, err := t.client.get(k.in(namespace) + "/" + name)
	return err
}

func (t *trial) patch(state string) func(i int) error {
	return func(i int) error {
		k, namespace, name := t.object(i)
		_, err := t.client.patch(k.in(namespace)+"/"+name, k.change(name, state))
		return err
	}
}

func (t *trial) remove(i int) error {
	k, namespace, name := t.object(i)
	_, err := t.client.remove(k.in(namespace) + "/" + name)
	return err
}

// list reads all objects of a kind; with a limit the API server asks the store for every page.
func (t *trial) list(i int) error {
	list, err := t.client.list(t.kinds[i%len(t.kinds)].all(), 500)
	if err == nil && len(ofTest(list)) != t.work.Objects {
		err = fmt.Errorf("listed %d of %d", len(ofTest(list)), t.work.Objects)
	}
	return err
}

// watch follows the config maps with all watchers while each of them is patched once.
func (t *trial) watch() ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	first, err := t.client.list(t.kinds[0].all(), 0)
	if err != nil {
		return nil, err
	}
	arrived := make([]map[string]time.Time, t.work.Watchers)
	errs := make([]error, t.work.Watchers)
	var group sync.WaitGroup
	for i := range t.work.Watchers {
		group.Go(func() { arrived[i], errs[i] = t.follow(ctx, first.revision) })
	}
	answered := make([]time.Time, t.work.Objects)
	err = parallel(t.work.Callers, t.work.Objects, func(i int) error {
		err := t.patch("watched")(i * len(t.kinds))
		answered[i] = time.Now()
		return err
	})
	if err != nil {
		return nil, err
	}
	group.Wait()
	var took []time.Duration
	for w := range arrived {
		if errs[w] != nil {
			return nil, errs[w]
		}
		for i, at := range answered {
			_, namespace, name := t.object(i * len(t.kinds))
			took = append(took, max(0, arrived[w][namespace+"/"+name].Sub(at)))
		}
	}
	return took, nil
}

// follow notes when each object's change came, until all have.
func (t *trial) follow(ctx context.Context, from int64) (map[string]time.Time, error) {
	path := fmt.Sprintf("%s?watch=1&resourceVersion=%d", t.kinds[0].all(), from)
	answer, err := newClient(t.api.url()).request(ctx, "GET", path, "", nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	arrived := make(map[string]time.Time, t.work.Objects)
	lines := bufio.NewReader(answer.Body)
	for len(arrived) < t.work.Objects {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("the watch ended after %d of %d events: %w", len(arrived), t.work.Objects, err)
		}
		now := time.Now()
		var event struct{ Object object }
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, err
		}
		if event.Object.state() == "watched" {
			arrived[event.Object.name()] = now
		}
	}
	return arrived, nil
}
