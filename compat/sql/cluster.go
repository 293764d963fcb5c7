// Package sql runs several Keelson processes on one PostgreSQL: what one writes all must see at once,
// and nothing may be lost, repeated or torn while they, the database and the lines between them fail.
package sql

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"keelson/compat/harness"
)

// cluster is one PostgreSQL with instances of Keelson on it, each behind a proxy of its own.
type cluster struct {
	t         *testing.T
	postgres  *harness.PostgresServer
	database  string
	flags     []string
	instances []*instance
}

type instance struct {
	index  int
	server *harness.Server
	proxy  *harness.Proxy
	conn   *grpc.ClientConn
	kv     pb.KVClient
}

const recovery = 20 * time.Second // longest time until all is well after a fault has ended

func newCluster(t *testing.T, size int, flags ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, postgres: harness.StartPostgres(t), flags: flags}
	url, err := c.postgres.CreateDatabase()
	must(t, err)
	c.database = harness.DatabaseOf(url)
	c.grow(size)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// grow starts instances until there are `size`.
func (c *cluster) grow(size int) {
	c.t.Helper()
	for index := len(c.instances); index < size; index++ {
		proxy, err := harness.NewProxy(c.postgres.Port)
		must(c.t, err)
		c.t.Cleanup(proxy.Close)
		c.add(harness.Options{Kind: harness.Postgres, Name: fmt.Sprintf("i%d", index),
			Database: c.postgres.URLVia(proxy.Port, c.database), Flags: c.flags}, proxy)
	}
}

func (c *cluster) add(options harness.Options, proxy *harness.Proxy) {
	c.t.Helper()
	server := harness.Start(c.t, options)
	conn, err := server.Dial(grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second,
		Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}}))
	must(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	c.instances = append(c.instances, &instance{len(c.instances), server, proxy, conn, pb.NewKVClient(conn)})
}

// awaitAll waits until every instance serves linearizable reads and writes, and gives a revision that
// holds all that was acknowledged before.
func (c *cluster) awaitAll() (int64, error) {
	var highest int64
	for _, one := range c.instances {
		select {
		case <-one.server.Exited():
			return 0, fmt.Errorf("instance %d ended by itself: %s\n%s", one.index, one.server.Ending(), one.server.LogTail(3000))
		default:
		}
		revision, err := one.await(recovery)
		if err != nil {
			return 0, fmt.Errorf("instance %d does not recover: %w\n%s", one.index, err, one.server.LogTail(3000))
		}
		highest = max(highest, revision)
	}
	return highest, nil
}

func (i *instance) await(limit time.Duration) (int64, error) {
	var last error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		answer, err := i.kv.Put(ctx, &pb.PutRequest{Key: []byte("await"), Value: []byte(unique("await"))})
		if err == nil {
			_, err = i.kv.Range(ctx, &pb.RangeRequest{Key: []byte("await")})
		}
		cancel()
		if err == nil {
			return answer.Header.Revision, nil
		}
		last = err
	}
	return 0, last
}

// equalHashes compares the whole history since the last compaction, at one revision, on all instances.
func (c *cluster) equalHashes(revision int64) error {
	var first *pb.HashKVResponse
	for _, one := range c.instances {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		// A linearizable read brings the instance up to the revision.
		_, err := one.kv.Range(ctx, &pb.RangeRequest{Key: []byte("await")})
		answer, err2 := pb.NewMaintenanceClient(one.conn).HashKV(ctx, &pb.HashKVRequest{Revision: revision})
		cancel()
		if err := errors.Join(err, err2); err != nil {
			return fmt.Errorf("HashKV of instance %d: %w", one.index, err)
		}
		if first == nil {
			first = answer
		}
		if answer.Hash != first.Hash || answer.CompactRevision != first.CompactRevision {
			return fmt.Errorf("HashKV at %d differs: instance 0 has %d (compacted %d), instance %d has %d (compacted %d)", revision,
				first.Hash, first.CompactRevision, one.index, answer.Hash, answer.CompactRevision)
		}
	}
	return nil
}
