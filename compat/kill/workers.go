package kill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const keysPerWorker = 16

// worker writes to keys that are its own, one call at a time, so that it knows their state exactly.
type worker struct {
	id      int
	random  *mathrand.Rand
	kv      pb.KVClient
	lease   pb.LeaseClient
	ledger  *ledger
	dying   *atomic.Bool // the kill is on its way: errors are expected
	mods    map[string]int64
	counter int
}

func workerPrefix(id int) string { return fmt.Sprintf("k/%03d/", id) }

func (r *run) newWorker(id, life int, conn *grpc.ClientConn, l *ledger, dying *atomic.Bool) *worker {
	seed := r.seed + uint64(life)<<16
	w := &worker{id: id, random: mathrand.New(mathrand.NewPCG(seed, uint64(id))), kv: pb.NewKVClient(conn),
		lease: pb.NewLeaseClient(conn), ledger: l, dying: dying, mods: map[string]int64{}}
	for i := range keysPerWorker {
		key := w.key(i)
		if kv := r.model.keys[key]; kv != nil {
			w.mods[key] = kv.ModRevision
		}
	}
	return w
}

func (w *worker) key(i int) string { return fmt.Sprintf("%s%02d", workerPrefix(w.id), i) }

func (w *worker) anyKey() string { return w.key(w.random.IntN(keysPerWorker)) }

// value is never the same twice.
func (w *worker) value() []byte {
	sizes := []int{16, 100, 1000, 4000}
	out := make([]byte, sizes[w.random.IntN(len(sizes))])
	_, _ = rand.Read(out)
	return out
}

// put builds a put and the mark that its event will have.
func (w *worker) put(key string, lease int64) (*pb.PutRequest, string) {
	request := &pb.PutRequest{Key: []byte(key), Value: w.value(), Lease: lease}
	return request, putMark(key, request.Value, lease)
}

// run calls until the server is gone.
func (w *worker) run(ctx context.Context) {
	steps := []func(context.Context) error{w.plainPut, w.plainPut, w.swap, w.swap, w.deleteOne, w.deleteSome,
		w.several, w.leased}
	for {
		err := steps[w.random.IntN(len(steps))](ctx)
		if err == nil {
			continue
		}
		expected := w.dying.Load() && slices.Contains([]codes.Code{codes.Unavailable, codes.Canceled,
			codes.DeadlineExceeded}, status.Code(err))
		if !expected {
			w.ledger.fail("worker %d: %v", w.id, err)
		}
		return
	}
}

// write makes a call that changes the store by `changed`.
func (w *worker) write(changed string, call func() (*pb.ResponseHeader, error)) (int64, error) {
	header, err := call()
	if err != nil {
		w.ledger.doubt(changed)
		return 0, err
	}
	w.ledger.acknowledge(header.Revision, changed)
	return header.Revision, nil
}

func (w *worker) plainPut(ctx context.Context) error {
	key := w.anyKey()
	request, mark := w.put(key, 0)
	revision, err := w.write(mark, func() (*pb.ResponseHeader, error) {
		answer, err := w.kv.Put(ctx, request)
		return answer.GetHeader(), err
	})
	w.mods[key] = revision
	return err
}

func putOp(request *pb.PutRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: request}}
}

func deleteOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)}}}
}

// txn commits operations if each key is at the revision this worker knows.
func (w *worker) txn(ctx context.Context, changed string, keys []string, ops []*pb.RequestOp) (int64, error) {
	request := &pb.TxnRequest{Success: ops}
	for _, key := range keys {
		request.Compare = append(request.Compare, &pb.Compare{Result: pb.Compare_EQUAL, Target: pb.Compare_MOD,
			Key: []byte(key), TargetUnion: &pb.Compare_ModRevision{ModRevision: w.mods[key]}})
	}
	return w.write(changed, func() (*pb.ResponseHeader, error) {
		answer, err := w.kv.Txn(ctx, request)
		if err == nil && !answer.Succeeded {
			err = fmt.Errorf("compare on %v failed, expected %v", keys, request.Compare)
		}
		return answer.GetHeader(), err
	})
}

func (w *worker) swap(ctx context.Context) error {
	key := w.anyKey()
	request, mark := w.put(key, 0)
	revision, err := w.txn(ctx, mark, []string{key}, []*pb.RequestOp{putOp(request)})
	w.mods[key] = revision
	return err
}

func (w *worker) deleteOne(ctx context.Context) error {
	key := w.anyKey()
	if w.mods[key] == 0 {
		return w.plainPut(ctx)
	}
	_, err := w.txn(ctx, deleteMark(key), []string{key}, []*pb.RequestOp{deleteOp(key)})
	w.mods[key] = 0
	return err
}

// deleteSome deletes the lower half of the worker's keys in one call.
func (w *worker) deleteSome(ctx context.Context) error {
	var marks []string
	end := w.key(keysPerWorker / 2)
	for key, mod := range w.mods {
		if mod != 0 && key < end {
			marks = append(marks, deleteMark(key))
			w.mods[key] = 0
		}
	}
	if len(marks) == 0 {
		return w.swap(ctx)
	}
	slices.Sort(marks)
	_, err := w.write(strings.Join(marks, " "), func() (*pb.ResponseHeader, error) {
		answer, err := w.kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte(workerPrefix(w.id)), RangeEnd: []byte(end)})
		if err == nil && int(answer.Deleted) != len(marks) {
			err = fmt.Errorf("deleted %d of %d", answer.Deleted, len(marks))
		}
		return answer.GetHeader(), err
	})
	return err
}

// several puts three keys and deletes a fourth, if it is there, in one transaction.
func (w *worker) several(ctx context.Context) error {
	order := w.random.Perm(keysPerWorker)
	var keys, marks []string
	var ops []*pb.RequestOp
	for _, i := range order[:3] {
		request, mark := w.put(w.key(i), 0)
		keys, marks, ops = append(keys, w.key(i)), append(marks, mark), append(ops, putOp(request))
	}
	gone := w.key(order[3])
	if w.mods[gone] != 0 {
		marks, ops = append(marks, deleteMark(gone)), append(ops, deleteOp(gone))
	}
	slices.Sort(marks)
	revision, err := w.txn(ctx, strings.Join(marks, " "), keys, ops)
	for _, key := range keys {
		w.mods[key] = revision
	}
	w.mods[gone] = 0
	return err
}

// leased grants a lease and puts two keys with it; nearly always it revokes the lease again.
func (w *worker) leased(ctx context.Context) error {
	id := int64(w.random.Uint64() >> 1)
	if _, err := w.lease.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 3600, ID: id}); err != nil {
		w.ledger.leaseDoubt(id)
		return err
	}
	w.ledger.leaseGranted(id)
	var marks []string
	for _, half := range []string{"a", "b"} {
		key := fmt.Sprintf("l/%03d/%x/%s", w.id, id, half)
		request, mark := w.put(key, id)
		_, err := w.write(mark, func() (*pb.ResponseHeader, error) {
			answer, err := w.kv.Put(ctx, request)
			return answer.GetHeader(), err
		})
		if err != nil {
			return err
		}
		marks = append(marks, deleteMark(key))
	}
	w.counter++
	if w.counter%40 == 0 {
		return nil
	}
	_, err := w.write(strings.Join(marks, " "), func() (*pb.ResponseHeader, error) {
		answer, err := w.lease.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: id})
		return answer.GetHeader(), err
	})
	if err != nil {
		w.ledger.leaseDoubt(id)
		return err
	}
	w.ledger.leaseRevoked(id)
	return nil
}

// reader reads single keys of all workers until the server is gone.
func reader(ctx context.Context, conn *grpc.ClientConn, l *ledger, workers int, dying *atomic.Bool) {
	kv := pb.NewKVClient(conn)
	var last int64
	for ctx.Err() == nil {
		from := workerPrefix(mathrand.IntN(workers))
		answer, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte(from), RangeEnd: []byte(from + "~")})
		if err != nil {
			if !dying.Load() {
				l.fail("reader: %v", err)
			}
			return
		}
		if answer.Header.Revision < last {
			l.fail("reader: revision %d after %d", answer.Header.Revision, last)
		}
		last = answer.Header.Revision
		l.readAt(last, answer.Kvs)
		time.Sleep(time.Millisecond)
	}
}

// watch opens a watch of everything from `start` and gives each revision's events to `each`, which
// returns false to end.
func watch(ctx context.Context, conn *grpc.ClientConn, start int64, each func(int64, []*mvccpb.Event) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		return err
	}
	request := &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: start, PrevKv: true}
	err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}})
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	last := start - 1
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if answer.Canceled {
			return fmt.Errorf("watch from %d was cancelled: %s, compacted at %d", start, answer.CancelReason, answer.CompactRevision)
		}
		for events := answer.Events; len(events) > 0; {
			revision, n := events[0].Kv.ModRevision, 1
			for n < len(events) && events[n].Kv.ModRevision == revision {
				n++
			}
			if revision != last+1 {
				return fmt.Errorf("watch gave revision %d after %d", revision, last)
			}
			last = revision
			if !each(revision, events[:n]) {
				return nil
			}
			events = events[n:]
		}
	}
}
