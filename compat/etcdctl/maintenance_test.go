package etcdctl

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"keelson/compat/harness"
)

func native(t *testing.T) *side {
	t.Helper()
	s, err := newSide(harness.Start(t, harness.Options{Kind: harness.Native}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func client(t *testing.T, server *harness.Server) *clientv3.Client {
	t.Helper()
	c, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAlarmStopsWritesUntilDisarmed(t *testing.T) {
	sides := pair(t)
	for _, s := range sides {
		status, err := client(t, s.server).Status(t.Context(), s.server.ClientURL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = pb.NewMaintenanceClient(harness.MustDial(t, s.server)).Alarm(t.Context(), &pb.AlarmRequest{
			Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_NOSPACE})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"put a 1", "del a", "get a", "lease grant 10", "endpoint health", "endpoint health -w json"} {
		compare(t, sides, "alarm on", "", words(line))
	}
	for _, s := range sides {
		for _, command := range []string{"list", "disarm"} {
			// The text form of a message has one space or two between fields, by chance.
			got := strings.Join(strings.Fields(s.mask(s.must(t, "alarm", command))), " ")
			if got != "memberID:MEMBER alarm:NOSPACE" {
				t.Errorf("%s: alarm %s: %q", s.server.Kind, command, got)
			}
		}
	}
	for _, line := range []string{"alarm list", "put a 1", "get a", "endpoint health"} {
		compare(t, sides, "alarm off", "", words(line))
	}
}

// statusOf is what `endpoint status -w json` prints of one endpoint.
type statusOf struct {
	Endpoint string
	Status   struct {
		Header struct {
			Revision int64  `json:"revision"`
			MemberID uint64 `json:"member_id"`
		} `json:"header"`
		Version          string `json:"version"`
		DBSize           int64  `json:"dbSize"`
		DBSizeInUse      int64  `json:"dbSizeInUse"`
		DBSizeQuota      int64  `json:"dbSizeQuota"`
		Leader           uint64 `json:"leader"`
		RaftIndex        uint64 `json:"raftIndex"`
		RaftTerm         uint64 `json:"raftTerm"`
		RaftAppliedIndex uint64 `json:"raftAppliedIndex"`
		StorageVersion   string `json:"storageVersion"`
	}
}

func TestStatus(t *testing.T) {
	sides := pair(t)
	var all []statusOf
	for _, s := range sides {
		s.must(t, "put", "a", "1")
		var status []statusOf
		if err := json.Unmarshal([]byte(s.must(t, "endpoint", "status", "-w", "json")), &status); err != nil {
			t.Fatal(err)
		}
		all = append(all, status...)
	}
	if len(all) != 2 {
		t.Fatalf("got %+v", all)
	}
	peer, ours := all[0].Status, all[1].Status
	if ours.DBSize <= 0 || ours.DBSizeInUse <= 0 || ours.DBSizeInUse > ours.DBSize || ours.Leader != ours.Header.MemberID {
		t.Errorf("got %+v", ours)
	}
	type equal struct {
		version, storage           string
		revision, quota            int64
		term, index, appliedBehind uint64
	}
	a := equal{peer.Version, peer.StorageVersion, peer.Header.Revision, peer.DBSizeQuota, peer.RaftTerm, peer.RaftIndex,
		peer.RaftIndex - peer.RaftAppliedIndex}
	b := equal{ours.Version, ours.StorageVersion, ours.Header.Revision, ours.DBSizeQuota, ours.RaftTerm, ours.RaftIndex,
		ours.RaftIndex - ours.RaftAppliedIndex}
	if a != b {
		t.Errorf("etcd %+v, keelson %+v", a, b)
	}
}

// writer puts to its own keys until it is stopped and remembers what was acknowledged.
type writer struct {
	stop  chan struct{}
	group sync.WaitGroup
	lock  sync.Mutex
	acked []acked
	err   error
}

type acked struct {
	key, value string
	revision   int64
}

func startWriters(c *clientv3.Client, count int) *writer {
	w := &writer{stop: make(chan struct{})}
	for id := range count {
		w.group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-w.stop:
					return
				default:
				}
				key, value := fmt.Sprintf("load/%d/%d", id, i%50), fmt.Sprintf("%d-%d-%s", id, i, strings.Repeat("x", 500))
				answer, err := c.Put(context.Background(), key, value)
				w.lock.Lock()
				if err != nil {
					w.err = err
				} else {
					w.acked = append(w.acked, acked{key, value, answer.Header.Revision})
				}
				w.lock.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	return w
}

func (w *writer) end(t *testing.T) []acked {
	t.Helper()
	close(w.stop)
	w.group.Wait()
	if w.err != nil {
		t.Fatal(w.err)
	}
	return w.acked
}

func run(t *testing.T, tool string, arguments ...string) string {
	t.Helper()
	path, err := harness.Tool(tool)
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(path, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, arguments, err, output)
	}
	return string(output)
}

type snapshotStatus struct {
	Revision  int64  `json:"revision"`
	TotalKey  int    `json:"totalKey"`
	TotalSize int64  `json:"totalSize"`
	Version   string `json:"version"`
}

// A snapshot taken under load is a database that etcd's own tools accept, and an etcd restored from it
// has exactly what was acknowledged up to its revision.
func TestSnapshotUnderLoad(t *testing.T) {
	s := native(t)
	c := client(t, s.server)
	s.must(t, "lease", "grant", "1000")
	writers := startWriters(c, 20)
	time.Sleep(time.Second)
	before, err := c.Get(t.Context(), "none")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "snapshot.db")
	s.must(t, "snapshot", "save", file)
	time.Sleep(200 * time.Millisecond)
	known := writers.end(t)

	var status snapshotStatus
	if err := json.Unmarshal([]byte(run(t, "etcdutl", "snapshot", "status", file, "-w", "json")), &status); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	last := known[len(known)-1].revision
	if status.Revision < before.Header.Revision || status.Revision > last+1 || status.Version != "3.7.0" ||
		status.TotalSize != info.Size()-32 {
		t.Fatalf("%+v; revision before %d, at the end %d, file of %d", status, before.Header.Revision, last, info.Size())
	}
	restored := restore(t, file)
	state := map[string]acked{}
	for _, a := range known {
		if a.revision <= status.Revision && a.revision > state[a.key].revision {
			state[a.key] = a
		}
	}
	if status.TotalKey != len(state) {
		t.Errorf("snapshot status counts %d keys, expected %d", status.TotalKey, len(state))
	}
	checkRestored(t, restored, state, status.Revision)
	hashes := make([]uint32, 2)
	for i, server := range []*harness.Server{s.server, restored} {
		answer, err := client(t, server).HashKV(t.Context(), server.ClientURL, status.Revision)
		if err != nil {
			t.Fatal(err)
		}
		hashes[i] = answer.Hash
	}
	if hashes[0] != hashes[1] {
		t.Errorf("HashKV %08x, of the restored etcd %08x", hashes[0], hashes[1])
	}
}

func restore(t *testing.T, file string) *harness.Server {
	t.Helper()
	folder := t.TempDir()
	run(t, "etcdutl", "snapshot", "restore", file, "--data-dir", filepath.Join(folder, "data"))
	return harness.Start(t, harness.Options{Kind: harness.Etcd, Dir: folder})
}

func checkRestored(t *testing.T, server *harness.Server, state map[string]acked, revision int64) {
	t.Helper()
	answer, err := client(t, server).Get(t.Context(), "load/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if answer.Header.Revision != revision {
		t.Errorf("restored to revision %d, expected %d", answer.Header.Revision, revision)
	}
	for _, kv := range answer.Kvs {
		want := state[string(kv.Key)]
		if want.revision != kv.ModRevision || want.value != string(kv.Value) {
			t.Errorf("%s at %d, expected at %d", kv.Key, kv.ModRevision, want.revision)
		}
		delete(state, string(kv.Key))
	}
	for key := range state {
		t.Errorf("%s is missing", key)
	}
}

var verdict = regexp.MustCompile(`(PASS|FAIL|ERROR|Too many)[^\n\r]*`)

// check perf takes a minute for each load: its own verdict is the test.
func TestCheckPerf(t *testing.T) {
	loads := []string{"s"}
	if harness.Proving() {
		loads = []string{"s", "m", "l", "xl"}
	}
	for _, load := range loads {
		t.Run(load, func(t *testing.T) {
			s := native(t)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			command := s.command(ctx, "check", "perf", "--load", load, "--command-timeout=120s")
			output, err := command.CombinedOutput()
			verdicts := verdict.FindAllString(string(output), -1) // the first one ends a progress bar
			t.Log(strings.Join(verdicts, "; "))
			if err != nil || !strings.Contains(string(output), "PASS: Throughput") {
				t.Fatalf("%v\n%.1000s", err, output[max(0, len(output)-1000):])
			}
		})
	}
}
