package sql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func (i *instance) put(ctx context.Context, key, value string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	answer, err := i.kv.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
	return answer.GetHeader().GetRevision(), err
}

// readyz gives the status of the page that says whether linearizable reads are served.
func (i *instance) readyz() int {
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(i.server.ClientURL + "/readyz")
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func awaitThat(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s: not so: %s", limit, what)
		}
	}
}

// TestALostDatabaseIsTold: what cannot be proved fresh fails, the rest goes on, and all comes back.
func TestALostDatabaseIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	one := c.instances[0]
	_, err := one.put(t.Context(), "k", unique("v"))
	must(t, err)
	if code := one.readyz(); code != 200 {
		t.Fatalf("/readyz is %d", code)
	}
	for name, fault := range map[string]struct{ begin, end func() }{
		"refused": {func() { one.proxy.Refuse(true); one.proxy.Cut() }, func() { one.proxy.Refuse(false) }},
		"silent":  {one.proxy.Hold, one.proxy.Release},
	} {
		fault.begin()
		awaitThat(t, "/readyz fails while the database is "+name, 15*time.Second, func() bool { return one.readyz() == 503 })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := one.kv.Range(ctx, &pb.RangeRequest{Key: []byte("k")}); err == nil {
			t.Errorf("%s: a linearizable read is answered", name)
		}
		if answer, err := one.kv.Range(ctx, &pb.RangeRequest{Key: []byte("k"), Serializable: true}); err != nil || len(answer.Kvs) != 1 {
			t.Errorf("%s: a serializable read is not answered: %v", name, err)
		}
		cancel()
		if _, err := c.instances[1].put(t.Context(), "k", unique("v")); err != nil {
			t.Errorf("%s: the other instance: %v", name, err)
		}
		fault.end()
		awaitThat(t, "/readyz is well again", recovery, func() bool { return one.readyz() == 200 })
		revision, err := c.awaitAll()
		must(t, err)
		must(t, c.equalHashes(revision))
	}
}

// TestPausedPastTheCut pauses an instance for so long that the log behind it is gone. It loads the tables
// and goes on; a watch on it has no gap. Another instance is started under the same load.
func TestPausedPastTheCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	h := newTruth()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	followers := []*follower{follow(ctx, &group, c.instances[0], h, 2), follow(ctx, &group, c.instances[1], h, 2)}
	last, err := c.awaitAll()
	must(t, err)
	must(t, followers[1].await(last, recovery))
	c.instances[1].server.Signal(syscall.SIGSTOP)
	resume := sync.OnceFunc(func() { c.instances[1].server.Signal(syscall.SIGCONT) })
	defer resume()
	lowest := func() int64 {
		out, err := c.postgres.Exec(c.database, "SELECT coalesce(min(seq), 0) FROM keelson.log")
		must(t, err)
		n, _ := strconv.ParseInt(out, 10, 64)
		return n
	}
	head, err := c.postgres.Exec(c.database, "SELECT seq FROM keelson.log_head")
	must(t, err)
	paused, err := strconv.ParseInt(head, 10, 64)
	must(t, err)
	// Over the 10 s after which it is not live, enough for a few steps of the checkpoint.
	load, stop := context.WithCancel(t.Context())
	defer stop()
	padding := strings.Repeat("x", 60_000)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; load.Err() == nil; i++ {
				if _, err := c.instances[0].put(t.Context(), fmt.Sprintf("cut/%d/%d", w, i%20), unique("v")+padding); err != nil {
					t.Errorf("writer: %v", err)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	awaitThat(t, "the log is cut behind the paused instance", time.Minute, func() bool { return lowest() > paused+1 || t.Failed() })
	c.grow(3) // bootstraps under load
	resume()
	_, err = c.instances[1].await(recovery)
	must(t, err)
	stop()
	writers.Wait()
	last, err = c.awaitAll()
	must(t, err)
	must(t, c.equalHashes(last))
	for _, f := range followers {
		must(t, f.await(last, recovery))
	}
	must(t, h.err())
}

// TestAnOlderStateIsFollowed takes the database back in time under live instances: by its files, as a
// failover does that lost the last commits, and by a dump of the schema.
func TestAnOlderStateIsFollowed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	for name, way := range map[string]struct{ save, back func() error }{
		"files": {c.postgres.Backup, c.postgres.Restore},
		"dump":  c.byDump(),
	} {
		t.Run(name, func(t *testing.T) { goBack(t, c, way.save, way.back) })
	}
}

func (c *cluster) byDump() struct{ save, back func() error } {
	var text string
	return struct{ save, back func() error }{
		func() (err error) { text, err = c.postgres.Dump(c.database, "keelson"); return err },
		func() error { return c.postgres.Load(c.database, "keelson", text) },
	}
}

// readOn reads through every instance without end, so that their barriers meet whatever comes.
func (c *cluster) readOn(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, one := range c.instances {
		group.Go(func() {
			for ctx.Err() == nil {
				call, done := context.WithTimeout(ctx, time.Second)
				_, _ = one.kv.Range(call, &pb.RangeRequest{Key: []byte("kept/0")})
				done()
				time.Sleep(time.Millisecond)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

func goBack(t *testing.T, c *cluster, save, back func() error) {
	write := func(key string) {
		t.Helper()
		for i := range 20 {
			_, err := c.instances[i%2].put(t.Context(), fmt.Sprintf("%s/%d", key, i), unique("v"))
			must(t, err)
		}
	}
	write("kept")
	must(t, save())
	saved, err := c.awaitAll()
	must(t, err)
	write("lost")
	lost, err := c.awaitAll()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ended sync.WaitGroup
	for _, one := range c.instances {
		stream, err := pb.NewWatchClient(one.conn).Watch(ctx)
		must(t, err)
		must(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: []byte("nothing")}}}))
		_, err = stream.Recv()
		must(t, err)
		ended.Go(func() {
			if answer, err := stream.Recv(); err == nil && !answer.Canceled {
				t.Errorf("the watch on instance %d goes on with %v", one.index, answer)
			} else if ctx.Err() != nil {
				t.Errorf("the watch on instance %d was not ended", one.index)
			}
		})
	}
	stop := c.readOn(t.Context())
	err = back()
	now, err2 := c.awaitAll()
	stop()
	must(t, errors.Join(err, err2))
	must(t, err)
	ended.Wait()
	if now >= lost {
		t.Fatalf("saved at %d, then at %d, and after going back at %d", saved, lost, now)
	}
	must(t, c.equalHashes(now))
	for _, one := range c.instances {
		for key, count := range map[string]int64{"kept/": 20, "lost/": 0} {
			answer, err := one.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte(key), RangeEnd: []byte(key + "~"), CountOnly: true})
			if err != nil || answer.Count != count {
				t.Errorf("instance %d has %d of %s: %v", one.index, answer.GetCount(), key, err)
			}
		}
	}
	// Removed for the next way back.
	_, err = c.instances[0].kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: []byte("kept/"), RangeEnd: []byte("kept/~")})
	must(t, err)
}
