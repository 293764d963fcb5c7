package watchmem

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"keelson/compat/harness"
)

const (
	groups       = 100
	perGroup     = 9 // watches that read; one more in each group does not
	conns        = 10
	writers      = 20
	valueSize    = 8 << 10
	compactEvery = 8 << 20 // bytes of events
	allowedMiB   = 64
	// A watch that a pause of its reader leaves behind must catch up within this time.
	catchUp = time.Minute
)

type bench struct {
	t       *testing.T
	server  *harness.Server
	links   []*grpc.ClientConn
	healthy []*watcher
	unread  []*watcher
	written [groups][]int64 // revisions, by their one writer
}

func resident(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// write puts one round of events, from all writers at once, waits until every reading watch has them,
// and compacts.
func (b *bench) write(ctx context.Context, bytes int) {
	b.t.Helper()
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	for writer := range writers {
		group.Go(func() {
			kv := pb.NewKVClient(b.links[writer%conns])
			value := make([]byte, valueSize)
			_, _ = rand.Read(value)
			for i := range bytes / valueSize / writers {
				g := writer + i%(groups/writers)*writers
				key := groupPrefix(g) + fmt.Sprint(i%3)
				answer, err := kv.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: value})
				if err != nil {
					failed.Store(&err)
					return
				}
				b.written[g] = append(b.written[g], answer.Header.Revision)
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		b.t.Fatal(*err)
	}
	b.await()
	kv := pb.NewKVClient(b.links[0])
	now, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte("none")})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err = kv.Compact(ctx, &pb.CompactionRequest{Revision: now.Header.Revision, Physical: true}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) await() {
	b.t.Helper()
	limit := time.Now().Add(catchUp)
	for _, w := range b.healthy {
		for w.count.Load() < int64(len(b.written[w.group])) {
			if time.Now().After(limit) {
				b.t.Fatalf("group %d: a reading watch has %d events of %d", w.group, w.count.Load(), len(b.written[w.group]))
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (b *bench) open(ctx context.Context) {
	b.t.Helper()
	for range conns {
		b.links = append(b.links, harness.MustDial(b.t, b.server))
	}
	for i := range groups * perGroup {
		w, err := openWatcher(ctx, b.links[i%conns], i%groups)
		if err != nil {
			b.t.Fatal(err)
		}
		b.healthy = append(b.healthy, w)
		go func() {
			if err := w.follow(); err != nil && ctx.Err() == nil {
				b.t.Errorf("reading watch: %v", err)
			}
		}()
	}
}

// openUnread opens a watch in every group that is not read: half of them beside others on a shared
// connection, half on connections whose sockets are not read either.
func (b *bench) openUnread(ctx context.Context) {
	b.t.Helper()
	for g := range groups {
		var w *watcher
		var err error
		if g%2 == 0 {
			w, err = openWatcher(ctx, b.links[g%conns], g)
		} else {
			var conn *grpc.ClientConn
			w, conn, err = openStalled(ctx, b.server, g)
			if conn != nil {
				b.t.Cleanup(func() { _ = conn.Close() })
			}
		}
		if err != nil {
			b.t.Fatal(err)
		}
		b.unread = append(b.unread, w)
	}
}

// peak samples the resident memory until it is stopped.
func (b *bench) peak(stop <-chan struct{}, done chan<- float64) {
	highest := 0.0
	for {
		highest = max(highest, resident(b.t, b.server.Pid()))
		select {
		case <-stop:
			done <- highest
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestUnreadWatchesCostLittle(t *testing.T) {
	kind := harness.Native
	total := 128 << 20
	if harness.Proving() {
		total = 1 << 30
	}
	b := &bench{t: t, server: harness.Start(t, harness.Options{Kind: kind})}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.open(ctx)
	for range 4 {
		b.write(ctx, compactEvery)
	}
	baseline := resident(t, b.server.Pid())
	before := [groups]int{}
	for g := range groups {
		before[g] = len(b.written[g])
	}
	b.openUnread(ctx)
	stop, done := make(chan struct{}), make(chan float64)
	go b.peak(stop, done)
	start := time.Now()
	for written := 0; written < total; written += compactEvery {
		b.write(ctx, compactEvery)
	}
	took := time.Since(start)
	close(stop)
	more := <-done - baseline
	t.Logf("%d MiB of events to %d watches, %d of them never read, in %.1f s: %.1f MiB resident before, at most %.1f more",
		total>>20, len(b.healthy)+len(b.unread), len(b.unread), took.Seconds(), baseline, more)
	if more > allowedMiB {
		t.Errorf("%.1f MiB more resident memory, allowed are %d", more, allowedMiB)
	}
	for _, w := range b.healthy {
		if err := w.agrees(b.written[w.group], true); err != nil {
			t.Error(err)
		}
	}
	b.readLate(before)
}

// readLate reads the unread watches at last: each has the events from its beginning, in order and
// without a gap, up to where the compaction cut it off.
func (b *bench) readLate(before [groups]int) {
	cut := 0
	for _, w := range b.unread {
		if w.gate != nil {
			w.gate.set(false)
		}
		written := b.written[w.group][before[w.group]:]
		for len(w.seen) < len(written) {
			compacted, err := w.step()
			if err != nil {
				b.t.Errorf("unread watch of group %d: %v", w.group, err)
				return
			}
			if compacted {
				cut++
				break
			}
		}
		if err := w.agrees(written, false); err != nil {
			b.t.Error(err)
		}
		if len(w.seen) == 0 {
			b.t.Errorf("unread watch of group %d had nothing at all", w.group)
		}
	}
	b.t.Logf("%d of %d unread watches had been overtaken by a compaction", cut, len(b.unread))
}
