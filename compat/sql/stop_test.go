package sql

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// TestAProcessEndsWhileItsDatabaseIsFrozen: SIGTERM must not wait for answers that do not come, with and
// without calls under way, whether the database stands still or the line is silent.
func TestAProcessEndsWhileItsDatabaseIsFrozen(t *testing.T) {
	t.Parallel()
	type freeze struct{ begin, end func() }
	for name, how := range map[string]func(c *cluster) freeze{
		"the database is frozen": func(c *cluster) freeze { return freeze{c.postgres.Pause, c.postgres.Resume} },
		"the line is silent": func(c *cluster) freeze {
			return freeze{c.instances[0].proxy.Hold, c.instances[0].proxy.Release}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 1)
			one := c.instances[0]
			for _, busy := range []bool{false, true} {
				_, err := one.put(t.Context(), "kept", "before")
				must(t, err)
				fault := how(c)
				fault.begin()
				resume := sync.OnceFunc(fault.end)
				t.Cleanup(resume)
				var calls sync.WaitGroup
				if busy {
					calls.Go(func() { _, _ = one.put(t.Context(), "in", "vain") })
					calls.Go(func() { _, _ = one.kv.Range(context.Background(), &pb.RangeRequest{Key: []byte("kept")}) })
					time.Sleep(300 * time.Millisecond)
				}
				begun := time.Now()
				one.server.Signal(syscall.SIGTERM)
				select {
				case <-one.server.Exited():
					t.Logf("busy=%t: ended after %s", busy, time.Since(begun))
				case <-time.After(12 * time.Second):
					t.Fatalf("busy=%t: still there 12 s after SIGTERM\n%s", busy, one.server.LogTail(2000))
				}
				resume()
				calls.Wait()
				must(t, one.server.Stop())
				must(t, one.server.Start())
				_, err = one.await(recovery)
				must(t, err)
				answer, err := one.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("kept")})
				if err != nil || len(answer.Kvs) != 1 || string(answer.Kvs[0].Value) != "before" {
					t.Fatalf("after the start: %v %v", answer, err)
				}
			}
		})
	}
}
