package sql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// names gives the names in an instance's member list.
func (i *instance) names(t *testing.T) string {
	t.Helper()
	answer, err := pb.NewClusterClient(i.conn).MemberList(t.Context(), &pb.MemberListRequest{})
	must(t, err)
	var out []string
	for _, member := range answer.Members {
		out = append(out, member.Name)
		if len(member.ClientURLs) != 1 || len(member.PeerURLs) != 1 || member.ID == 0 {
			t.Errorf("a member is %v", member)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// member gives an instance's own id.
func (i *instance) member(t *testing.T) uint64 {
	t.Helper()
	status, err := pb.NewMaintenanceClient(i.conn).Status(t.Context(), &pb.StatusRequest{})
	must(t, err)
	return status.Header.MemberId
}

// TestTheLiveProcessesAreTheMembers: a process that is killed is forgotten, one that leaves at once.
func TestTheLiveProcessesAreTheMembers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	see := func(want string, limit time.Duration) {
		t.Helper()
		for _, one := range c.instances[:1] {
			awaitThat(t, "the members are "+want, limit, func() bool { return one.names(t) == want })
		}
	}
	see("i0 i1 i2", 5*time.Second)
	before := c.instances[2].member(t)
	must(t, c.instances[2].server.Stop())
	see("i0 i1", 5*time.Second)
	must(t, c.instances[2].server.Start())
	_, err := c.instances[2].await(recovery)
	must(t, err)
	if after := c.instances[2].member(t); after != before {
		t.Errorf("member %x is %x after a start", before, after)
	}
	must(t, c.instances[2].server.Stop())
	see("i0 i1", 5*time.Second)
	c.instances[1].server.Kill()
	see("i0", 20*time.Second)
	must(t, c.instances[1].server.Start())
	see("i0 i1", 5*time.Second)
	for _, one := range c.instances[:2] {
		_, err := one.await(recovery)
		must(t, err)
		status, err := pb.NewMaintenanceClient(one.conn).Status(t.Context(), &pb.StatusRequest{})
		must(t, err)
		if status.Leader != status.Header.MemberId || status.RaftTerm != 1 || status.RaftIndex == 0 || status.DbSize == 0 {
			t.Errorf("instance %d: %v", one.index, status)
		}
	}
}

// keep renews a lease once, through an instance.
func (i *instance) keep(ctx context.Context, lease int64) (ttl int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := pb.NewLeaseClient(i.conn).LeaseKeepAlive(ctx)
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil {
		return 0, err
	}
	answer, err := stream.Recv()
	return answer.GetTTL(), err
}

// TestALeaseLivesWhoeverKeepsIt: granted through one, kept through others, also while the first is gone;
// then it ends, once, and not too early.
func TestALeaseLivesWhoeverKeepsIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	h := newTruth()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	var followers []*follower
	for _, one := range c.instances {
		followers = append(followers, follow(ctx, &group, one, h, 2))
	}
	const ttl = 3
	granted, err := pb.NewLeaseClient(c.instances[0].conn).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: ttl})
	must(t, err)
	for i := range 20 {
		_, err := c.instances[1].kv.Put(t.Context(), &pb.PutRequest{Key: fmt.Appendf(nil, "leased/%02d", i),
			Value: []byte(unique("v")), Lease: granted.ID})
		must(t, err)
	}
	alive := func(one *instance) int64 {
		t.Helper()
		answer, err := one.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("leased/"), RangeEnd: []byte("leased0"), CountOnly: true})
		must(t, err)
		return answer.Count
	}
	var last time.Time
	for i := range 16 { // 8 s
		switch i {
		case 4:
			c.instances[0].server.Kill()
		case 10:
			must(t, c.instances[0].server.Start())
		}
		last = time.Now()
		got, err := c.instances[1+i%2].keep(t.Context(), granted.ID)
		if err != nil || got != ttl {
			t.Fatalf("renewal %d: %d %v", i, got, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if n := alive(c.instances[2]); n != 20 {
		t.Fatalf("%d keys live while the lease is kept", n)
	}
	awaitThat(t, "the keys end with the lease", 20*time.Second, func() bool { return alive(c.instances[1]) == 0 })
	if lived := time.Since(last); lived < ttl*time.Second {
		t.Errorf("they ended %s after the last renewal was asked for", lived)
	}
	if got, err := c.instances[2].keep(t.Context(), granted.ID); err != nil || got != 0 {
		t.Errorf("renewed after its end: %d %v", got, err)
	}
	end, err := c.awaitAll()
	must(t, err)
	for _, f := range followers {
		must(t, f.await(end, recovery))
	}
	must(t, h.err())
	must(t, c.equalHashes(end))
	if n := deletions(h, "leased/"); n != 20 {
		t.Errorf("the watches tell of %d deletions", n)
	}
}

// deletions counts those of keys with a prefix, in the whole history.
func deletions(h *truth, prefix string) (n int) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, changes := range h.history {
		for _, one := range changes {
			if one.deleted && strings.HasPrefix(one.key, prefix) {
				n++
			}
		}
	}
	return n
}

// TestLeasesAfterAPause: while nobody is there no lease ends; when they are back all have their full time.
func TestLeasesAfterAPause(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	granted, err := pb.NewLeaseClient(c.instances[0].conn).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 4})
	must(t, err)
	_, err = c.instances[0].kv.Put(t.Context(), &pb.PutRequest{Key: []byte("leased"), Value: []byte(unique("v")), Lease: granted.ID})
	must(t, err)
	c.postgres.Kill()
	time.Sleep(6 * time.Second)
	must(t, c.postgres.Start())
	_, err = c.awaitAll()
	must(t, err)
	back := time.Now()
	answer, err := c.instances[1].kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("leased")})
	must(t, err)
	if len(answer.Kvs) != 1 {
		t.Fatal("the lease ended while nobody could renew it")
	}
	awaitThat(t, "the lease ends", 20*time.Second, func() bool {
		answer, err := c.instances[1].kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("leased")})
		return err == nil && len(answer.Kvs) == 0
	})
	if lived := time.Since(back); lived < 2*time.Second {
		t.Errorf("it ended %s after the database was back", lived)
	}
}
