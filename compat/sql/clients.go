package sql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	clients     = 8
	keys        = 4
	callTimeout = 2 * time.Second
	pause       = 4 * time.Millisecond // at most, between two calls of a client
)

// client calls one instance after the other and records what it is told.
type client struct {
	id       int
	random   *rand.Rand
	round    int
	recorder *recorder
	cluster  *cluster
	versions map[string]int64 // as last seen
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		one := c.cluster.instances[c.random.IntN(len(c.cluster.instances))]
		o := &operation{key: fmt.Sprintf("r/%d/%d", c.round, c.random.IntN(keys)), client: c.id, instance: one.index}
		switch n := c.random.IntN(10); {
		case n < 4:
			o.action = read
		case n < 6:
			o.action = write
		case n < 9:
			o.action, o.expected = swap, c.versions[o.key]
		default:
			o.action = remove
		}
		o.mark = unique("m")
		// A call outlives the round, so that its outcome is known if there is one.
		callCtx, cancel := context.WithTimeout(context.Background(), callTimeout)
		o.call = now()
		err := c.perform(callCtx, one, o)
		o.end, o.answered = now(), err == nil
		cancel()
		c.recorder.add(o)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Duration(c.random.Int64N(int64(pause))))
	}
}

func putOp(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
		RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

func getOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}}
}

func deleteOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)}}}
}

// perform makes the call and fills in the answer.
func (c *client) perform(ctx context.Context, one *instance, o *operation) error {
	switch o.action {
	case read:
		answer, err := one.kv.Range(ctx, &pb.RangeRequest{Key: []byte(o.key)})
		if err == nil {
			o.revision, o.seen = answer.Header.Revision, registerOf(answer.Kvs)
			c.versions[o.key] = o.seen.version
		}
		return err
	case write:
		answer, err := one.kv.Put(ctx, &pb.PutRequest{Key: []byte(o.key), Value: []byte(o.mark)})
		o.revision = answer.GetHeader().GetRevision()
		return err
	case remove:
		// A deletion leaves no value behind by which to know it again, so a mark goes with it.
		answer, err := one.kv.Txn(ctx, &pb.TxnRequest{
			Success: []*pb.RequestOp{deleteOp(o.key), putOp(fmt.Sprintf("r/%d/removals", c.round), o.mark)}})
		o.revision = answer.GetHeader().GetRevision()
		return err
	}
	answer, err := one.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{Result: pb.Compare_EQUAL, Target: pb.Compare_VERSION, Key: []byte(o.key),
			TargetUnion: &pb.Compare_Version{Version: o.expected}}},
		Success: []*pb.RequestOp{putOp(o.key, o.mark)}, Failure: []*pb.RequestOp{getOp(o.key)}})
	if err != nil {
		return err
	}
	o.revision, o.succeeded = answer.Header.Revision, answer.Succeeded
	if o.succeeded {
		c.versions[o.key] = o.expected + 1
	} else {
		o.seen = registerOf(answer.Responses[0].GetResponseRange().Kvs)
		c.versions[o.key] = o.seen.version
	}
	return nil
}
