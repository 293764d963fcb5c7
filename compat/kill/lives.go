package kill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"keelson/compat/harness"
)

const (
	workers        = 40
	conns          = 5
	observers      = 2
	compactEvery   = 7 // lives
	verifyTimeout  = 60 * time.Second
	longestLife    = 400 * time.Millisecond
	startTimeout   = 30 * time.Second
	keptRevisions  = 500
	impatientShare = 8 // one start in this many is itself killed half way
)

// run is one server over many lives.
type run struct {
	server    *harness.Server
	random    *rand.Rand
	seed      uint64
	model     *model
	leases    map[int64]bool
	calls     int
	compactAt int64 // what this life's compaction asks for
	aborts    int   // starts that were killed before they were ready
	database  *harness.PostgresServer
	crashes   int // of the database
}

func newRun(server *harness.Server, seed uint64) *run {
	return &run{server: server, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), model: newModel(),
		leases: map[int64]bool{}}
}

// live puts the server under full load, kills it at a random moment, starts it again and checks
// everything that its clients knew.
func (r *run) live(life int) error {
	l := newLedger()
	compacting := life%compactEvery == compactEvery-1 && r.model.revision > r.model.compacted+keptRevisions
	r.compactAt = r.model.revision - keptRevisions/2
	if err := r.load(life, l, compacting); err != nil {
		return err
	}
	if err := r.startAgain(); err != nil {
		return err
	}
	if err := errors.Join(l.errs...); err != nil {
		return err
	}
	r.calls += l.calls
	conn, err := r.server.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout)
	defer cancel()
	return r.verify(ctx, conn, l, compacting)
}

// load runs all clients until the server is killed; it returns when they all have noticed.
func (r *run) load(life int, l *ledger, compacting bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout)
	defer cancel()
	var dying atomic.Bool
	var group sync.WaitGroup
	var links []*grpc.ClientConn
	for range conns {
		conn, err := r.server.Dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		links = append(links, conn)
	}
	for id := range workers {
		w := r.newWorker(id, life, links[id%conns], l, &dying)
		group.Go(func() { w.run(ctx) })
	}
	for i := range observers {
		group.Go(func() {
			err := watch(ctx, links[i], r.model.revision+1, func(revision int64, events []*mvccpb.Event) bool {
				l.saw(revision, events)
				return true
			})
			if err != nil && !dying.Load() {
				l.fail("watch: %v", err)
			}
		})
	}
	group.Go(func() { reader(ctx, links[conns-1], l, workers, &dying) })
	if compacting {
		wait := time.Duration(r.random.Int64N(int64(longestLife)))
		group.Go(func() {
			time.Sleep(wait)
			_, err := pb.NewKVClient(links[0]).Compact(ctx, &pb.CompactionRequest{Revision: r.compactAt})
			if err != nil && !dying.Load() {
				l.fail("compact: %v", err)
			}
		})
	}
	time.Sleep(time.Duration(r.random.Int64N(int64(longestLife))))
	dying.Store(true)
	err := r.end()
	group.Wait()
	return err
}

// end kills the server, and in one life of two its database: at the same moment, or a little before.
func (r *run) end() error {
	if r.database == nil || r.random.IntN(2) == 0 {
		r.server.Kill()
		return nil
	}
	r.crashes++
	if r.random.IntN(2) == 0 {
		r.database.Kill()
		time.Sleep(time.Duration(r.random.IntN(50)) * time.Millisecond)
		r.server.Kill()
	} else {
		r.server.Kill()
		r.database.Kill()
	}
	return r.database.Start()
}

// startAgain starts the killed server; some starts are killed half way, too.
func (r *run) startAgain() error {
	if r.random.IntN(impatientShare) == 0 {
		r.server.ReadyTimeout = time.Duration(1+r.random.IntN(60)) * time.Millisecond
		err := r.server.Start()
		r.server.ReadyTimeout = startTimeout
		if err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "not ready within") {
			return err
		}
		r.aborts++
	}
	return r.server.Start()
}

// verify reads the history since the last check and holds all else against it.
func (r *run) verify(ctx context.Context, conn *grpc.ClientConn, l *ledger, compacting bool) error {
	kv := pb.NewKVClient(conn)
	everything := &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}
	state, err := kv.Range(ctx, everything)
	if err != nil {
		return err
	}
	if err := r.history(ctx, conn, l, state.Header.Revision); err != nil {
		return err
	}
	if err := l.settle(state.Header.Revision); err != nil {
		return err
	}
	if len(state.Kvs) != len(r.model.keys) {
		return fmt.Errorf("%d keys, expected %d", len(state.Kvs), len(r.model.keys))
	}
	for _, kv := range state.Kvs {
		if want := r.model.keys[string(kv.Key)]; !proto.Equal(kv, want) {
			return fmt.Errorf("%s is %s, expected %s", kv.Key, brief(kv), brief(want))
		}
	}
	if err := r.verifyLeases(ctx, conn, l); err != nil {
		return err
	}
	if compacting {
		if err := r.settleCompaction(ctx, kv); err != nil {
			return err
		}
	}
	return r.verifyHash(ctx, pb.NewMaintenanceClient(conn))
}

// verifyHash compares HashKV with the model's; if they differ it says at which revision they begin to.
func (r *run) verifyHash(ctx context.Context, client pb.MaintenanceClient) error {
	equal := func(revision int64) (bool, error) {
		answer, err := client.HashKV(ctx, &pb.HashKVRequest{Revision: revision})
		if err != nil {
			return false, err
		}
		return answer.Hash == r.model.hash(revision) && answer.CompactRevision == r.model.compacted, nil
	}
	now := r.model.revision
	good, err := equal(now)
	if good || err != nil {
		return err
	}
	for revision := r.model.compacted + 1; revision <= now; revision++ {
		if good, err := equal(revision); !good || err != nil {
			return fmt.Errorf("HashKV differs from revision %d on, of %d, compacted %d: %v %w", revision, now,
				r.model.compacted, r.model.at(revision), err)
		}
	}
	return fmt.Errorf("HashKV differs at %d only, compacted %d", now, r.model.compacted)
}

func (r *run) history(ctx context.Context, conn *grpc.ClientConn, l *ledger, upTo int64) error {
	if upTo < r.model.revision {
		return fmt.Errorf("the store went back from revision %d to %d", r.model.revision, upTo)
	}
	if upTo == r.model.revision {
		return nil
	}
	var wrong error
	err := watch(ctx, conn, r.model.revision+1, func(revision int64, events []*mvccpb.Event) bool {
		if wrong = l.check(revision, events); wrong == nil {
			wrong = r.model.apply(revision, events)
		}
		return wrong == nil && revision < upTo
	})
	return errors.Join(wrong, err)
}

func (r *run) verifyLeases(ctx context.Context, conn *grpc.ClientConn, l *ledger) error {
	client := pb.NewLeaseClient(conn)
	answer, err := client.LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	if err != nil {
		return err
	}
	now := map[int64]bool{}
	for _, lease := range answer.Leases {
		now[lease.ID] = true
	}
	if err := l.settleLeases(r.leases, now); err != nil {
		return err
	}
	attached := map[int64]int{}
	for key, kv := range r.model.keys {
		if kv.Lease != 0 && !now[kv.Lease] {
			return fmt.Errorf("%s hangs on lease %x, which is not there", key, kv.Lease)
		}
		attached[kv.Lease]++
	}
	checked := 0
	for id := range now {
		if checked++; checked > 20 {
			break
		}
		lease, err := client.LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: id, Keys: true})
		if err != nil {
			return err
		}
		if len(lease.Keys) != attached[id] || lease.GrantedTTL != 3600 {
			return fmt.Errorf("lease %x: %v, expected %d keys", id, lease, attached[id])
		}
	}
	return nil
}

// settleCompaction makes sure that the compaction that ran into the kill has happened: asking again
// either does it or tells that it was done.
func (r *run) settleCompaction(ctx context.Context, kv pb.KVClient) error {
	_, err := kv.Compact(ctx, &pb.CompactionRequest{Revision: r.compactAt, Physical: true})
	if err != nil && !strings.Contains(err.Error(), "required revision has been compacted") {
		return err
	}
	r.model.compact(r.compactAt)
	return nil
}
