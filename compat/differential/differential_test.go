package differential

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"

	"keelson/compat/harness"
)

var (
	opsFlag  = flag.Int("ops", 0, "operations (default 3000; COUNT or KEELSON_PROVE raise it)")
	seedFlag = flag.Uint64("seed", 0, "seed of the operations (default: the clock)")
)

func TestMain(m *testing.M) { harness.Main(m) }

func operations(t *testing.T) int {
	t.Helper()
	switch count := os.Getenv("COUNT"); {
	case *opsFlag > 0:
		return *opsFlag
	case count != "":
		n, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		return n
	case harness.Proving():
		return 100_000
	}
	return 3000
}

func seed() uint64 {
	if *seedFlag != 0 {
		return *seedFlag
	}
	return uint64(time.Now().UnixNano())
}

func TestNative(t *testing.T) {
	t.Parallel()
	ops := operations(t)
	run(t, harness.Native, ops, max(600, ops/60))
}

// TestSQL takes turns in the short form.
func TestSQL(t *testing.T) {
	t.Parallel()
	ops := operations(t)
	for _, kind := range harness.Turn(t, seed(), harness.SQLite, harness.Postgres) {
		t.Run(string(kind), func(t *testing.T) { run(t, kind, ops, max(600, ops/60)) })
	}
}

// TestMemory has no restarts: the memory backend forgets.
func TestMemory(t *testing.T) { run(t, harness.Memory, max(1, operations(t)/4), 0) }

// TestItself compares etcd with etcd: what it reports would be a fault of this test.
func TestItself(t *testing.T) { run(t, harness.Etcd, min(1500, max(1, operations(t)/10)), 200) }

func run(t *testing.T, kind harness.Kind, ops, restarts int) {
	chosen := seed()
	t.Logf("seed %d, %d operations (again: -run %s -seed %d -ops %d)", chosen, ops, t.Name(), chosen, ops)
	// etcd's speed is not the subject: without fdatasync it keeps its data over a kill all the same.
	etcd := harness.Start(t, harness.Options{Kind: harness.Etcd, Flags: []string{"--unsafe-no-fsync"}})
	keelson := harness.Start(t, harness.Options{Kind: kind})
	w, err := newWorld(etcd, keelson, &generator{
		random: rand.New(rand.NewPCG(chosen, 1)), restarts: restarts,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { w.close() }()
	history, counts, err := lockstep(w, ops)
	if err != nil {
		last := len(history) - 1
		t.Fatalf("seed %d, operation %d: %s\n%v\n\n%s",
			chosen, last, history[last], err, report(t, history))
	}
	t.Logf("revision %d, compacted at %d, %d events, %v",
		w.gen.revision, w.gen.compacted, len(w.history), counts)
	if w.gen.revision < int64(ops)/10 {
		t.Errorf("only %d revisions by %d operations: too few have an effect", w.gen.revision, ops)
	}
}

// lockstep applies `ops` operations; it stops at the first difference, that of the last operation.
func lockstep(w *world, ops int) ([]Step, map[string]int, error) {
	var history []Step
	counts := map[string]int{}
	for i := range ops {
		step := w.gen.next()
		if i == ops-1 {
			step = Step{Settle: true}
		}
		history = append(history, step)
		counts[step.kind()]++
		if err := w.apply(step); err != nil {
			return history, counts, err
		}
	}
	return history, counts, nil
}

// TestFindsADifference puts a server with another limit beside etcd: it must be noticed.
func TestFindsADifference(t *testing.T) {
	etcd := harness.Start(t, harness.Options{Kind: harness.Etcd})
	other := harness.Start(t, harness.Options{Kind: harness.Etcd, Flags: []string{"--max-txn-ops=2"}})
	w, err := newWorld(etcd, other, &generator{random: rand.New(rand.NewPCG(7, 1))})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if _, _, err := lockstep(w, 500); err == nil || !strings.Contains(err.Error(), "differ") {
		t.Fatalf("got %v", err)
	}
}

// report gives the last operations, and writes all of them to a file.
func report(t *testing.T, history []Step) string {
	lines := make([]string, len(history))
	for i, step := range history {
		lines[i] = fmt.Sprintf("%6d %s", i, step)
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("differential-%d.txt", os.Getpid()))
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Log(err)
	}
	last := lines[max(0, len(lines)-15):]
	return "the last operations (all of them in " + path + "):\n" + strings.Join(last, "\n")
}

func (s Step) kind() string {
	switch {
	case s.Settle:
		return "settle"
	case s.Restart:
		return "restart"
	case s.Kill:
		return "kill"
	case s.Watch != nil:
		return "watch"
	case s.Stream:
		return "RangeStream"
	}
	return string(s.Request.ProtoReflect().Descriptor().Name())
}

func (s Step) String() string {
	text := s.kind()
	if s.Watch != nil {
		text += fmt.Sprintf(" on stream %d: %s", s.On, prototext.MarshalOptions{}.Format(s.Watch))
	} else if s.Request != nil {
		text += " " + prototext.MarshalOptions{}.Format(s.Request)
	}
	if len(text) > 3000 {
		text = text[:3000] + "..."
	}
	return text
}
