package migrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"keelson/compat/harness"
)

// loader writes a random history.
type loader struct {
	random    *rand.Rand
	kv        pb.KVClient
	leases    pb.LeaseClient
	compacted int64
	keep      int64 // revisions behind the last one that compactions leave
}

func newLoader(seed uint64) *loader {
	return &loader{random: rand.New(rand.NewPCG(seed, 1)), keep: 30}
}

func (l *loader) key() []byte { return fmt.Appendf(nil, "/registry/k%02d", l.random.IntN(60)) }
func (l *loader) value() []byte {
	return []byte(strings.Repeat(string(rune('a'+l.random.IntN(26))), l.random.IntN(2000)))
}

func put(key, value []byte, lease int64) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: value, Lease: lease}}}
}

func remove(key, end []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: key, RangeEnd: end}}}
}

// load runs so many operations, with leases, transactions of several changes, and compactions.
func (l *loader) load(s *harness.Server, operations int) error {
	conn, err := s.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	l.kv, l.leases = pb.NewKVClient(conn), pb.NewLeaseClient(conn)
	for id := range int64(5) {
		if _, err := l.leases.LeaseGrant(context.Background(), &pb.LeaseGrantRequest{ID: id + 7, TTL: 3600 + id}); err != nil {
			return err
		}
	}
	for range operations {
		if err := l.operation(); err != nil {
			return err
		}
	}
	_, err = l.leases.LeaseRevoke(context.Background(), &pb.LeaseRevokeRequest{ID: 7})
	return err
}

func (l *loader) operation() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	txn := &pb.TxnRequest{}
	switch l.random.IntN(8) {
	case 0:
		txn.Success = append(txn.Success, remove(l.key(), nil))
	case 1:
		if l.random.IntN(3) == 0 {
			txn.Success = append(txn.Success, remove([]byte("/registry/k1"), []byte("/registry/k2")))
		}
		txn.Success = append(txn.Success, put([]byte("/registry/pair"), l.value(), 0), put([]byte("/registry/z"), l.value(), 0))
	case 2:
		txn.Success = append(txn.Success, put(l.key(), l.value(), int64(7+l.random.IntN(5))))
	default:
		txn.Success = append(txn.Success, put(l.key(), l.value(), 0))
	}
	answer, err := l.kv.Txn(ctx, txn)
	if err != nil || l.random.IntN(100) != 0 || answer.Header.Revision-l.keep <= l.compacted {
		return err
	}
	l.compacted = answer.Header.Revision - l.keep
	_, err = l.kv.Compact(ctx, &pb.CompactionRequest{Revision: l.compacted, Physical: true})
	return err
}

// loadAsAPIServer does what a kube-apiserver does, one key in each transaction: all that kine knows.
func (l *loader) loadAsAPIServer(s *harness.Server, operations int) error {
	conn, err := s.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	l.kv, l.leases = pb.NewKVClient(conn), pb.NewLeaseClient(conn)
	for range operations {
		if err := l.apiServerOperation(); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) apiServerOperation() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	key := l.key()
	now, err := l.kv.Range(ctx, &pb.RangeRequest{Key: key})
	if err != nil {
		return err
	}
	var revision int64
	if len(now.Kvs) > 0 {
		revision = now.Kvs[0].ModRevision
	}
	var lease int64
	if l.random.IntN(4) == 0 {
		granted, err := l.leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 3600 + l.random.Int64N(3)})
		if err != nil {
			return err
		}
		lease = granted.ID
	}
	get := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key}}}
	txn := &pb.TxnRequest{Compare: []*pb.Compare{{Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, Key: key,
		TargetUnion: &pb.Compare_ModRevision{ModRevision: revision}}}}
	switch {
	case revision == 0:
		txn.Success = []*pb.RequestOp{put(key, l.value(), lease)}
	case l.random.IntN(4) == 0:
		txn.Success, txn.Failure = []*pb.RequestOp{remove(key, nil)}, []*pb.RequestOp{get}
	default:
		txn.Success, txn.Failure = []*pb.RequestOp{put(key, l.value(), lease)}, []*pb.RequestOp{get}
	}
	answer, err := l.kv.Txn(ctx, txn)
	if err == nil && !answer.Succeeded {
		return fmt.Errorf("nobody else writes %s", key)
	}
	return err
}
