// Package differential applies the same random operations to etcd and to Keelson in lockstep and
// compares every answer, every watch event and the hashes of the whole history.
package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// Step is one operation: a request, or a control (exactly one of the fields is set).
type Step struct {
	Request proto.Message
	Stream  bool // a RangeRequest by RangeStream
	Watch   *pb.WatchRequest
	On      int  // the stream that Watch goes to
	Restart bool // SIGTERM
	Kill    bool // SIGKILL
	Settle  bool // wait for all events and compare them
}

// generator makes operations from a seed and from what the servers answered so far, so equal answers
// give equal histories.
type generator struct {
	random    *rand.Rand
	revision  int64 // current
	compacted int64
	restarts  int // one restart in so many operations; 0 for none
}

const (
	keys    = 40
	leases  = 12
	streams = 3
)

func (g *generator) chance(percent int) bool { return g.random.IntN(100) < percent }

// next gives the next operation.
func (g *generator) next() Step {
	if g.restarts > 0 && g.random.IntN(g.restarts) == 0 {
		return Step{Restart: g.chance(50), Kill: true}.only()
	}
	switch n := g.random.IntN(1000); {
	case n < 280:
		return Step{Request: g.put()}
	case n < 470:
		return Step{Request: g.ranged()}
	case n < 510:
		return Step{Request: g.streamed(), Stream: true}
	case n < 580:
		return Step{Request: g.deletion()}
	case n < 780:
		return Step{Request: g.txn(0)}
	case n < 795:
		return Step{Request: g.compaction()}
	case n < 865:
		return Step{Request: g.lease()}
	case n < 895:
		return Step{Request: g.hash()}
	case n < 975:
		return Step{Watch: g.watch(), On: g.random.IntN(streams)}
	default:
		return Step{Settle: true}
	}
}

// only makes a step either a restart or a kill.
func (s Step) only() Step {
	s.Kill = !s.Restart
	return s
}

func (g *generator) key() []byte {
	switch n := g.random.IntN(keys + 3); n {
	case keys:
		return []byte{0}
	case keys + 1:
		return []byte{0xff, 0xff}
	case keys + 2:
		return []byte("k0/sub\x00x")
	default:
		return fmt.Appendf(nil, "k%d", n)
	}
}

// span gives a key and an end: often one key, else a prefix, an open end, or any two keys.
func (g *generator) span() (key, end []byte) {
	key = g.key()
	switch n := g.random.IntN(20); {
	case n < 9:
		return key, nil
	case n < 13:
		return []byte("k"), []byte("l")
	case n < 15:
		return key, []byte{0}
	case n < 16:
		return []byte{0}, []byte{0}
	case n < 17:
		return []byte("k1"), []byte("k2")
	default:
		return key, g.key()
	}
}

func (g *generator) value() []byte {
	switch n := g.random.IntN(50); {
	case n == 0:
		return nil
	case n == 1:
		return []byte(strings.Repeat("large", 2000))
	case n < 20:
		return fmt.Appendf(nil, "v%d", g.random.IntN(5))
	default:
		value := make([]byte, g.random.IntN(60))
		for i := range value {
			value[i] = byte(g.random.IntN(256))
		}
		return value
	}
}

func (g *generator) leaseID() int64 { return int64(g.random.IntN(leases+1)) - 2 }

func (g *generator) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: g.key(), Value: g.value(), PrevKv: g.chance(30)}
	if g.chance(20) {
		r.Lease = g.leaseID()
	}
	if g.chance(6) {
		r.IgnoreValue = true
		if g.chance(90) {
			r.Value = nil
		}
	}
	if g.chance(6) {
		r.IgnoreLease = true
		if g.chance(90) {
			r.Lease = 0
		}
	}
	if g.chance(1) {
		r.Key = nil
	}
	return r
}

// past gives a revision to read at: mostly between the compacted and the current one.
func (g *generator) past() int64 {
	switch n := g.random.IntN(20); {
	case n == 0:
		return g.revision + 1 + int64(g.random.IntN(3))
	case n == 1:
		return g.compacted - 1
	case n == 2:
		return g.compacted
	case n == 3:
		return -int64(g.random.IntN(4))
	case n == 4:
		return g.revision
	default:
		low := max(g.compacted, 1)
		return low + g.random.Int64N(g.revision-low+1)
	}
}

func (g *generator) bound() int64 {
	if g.chance(70) {
		return 0
	}
	return g.random.Int64N(g.revision + 3)
}

func (g *generator) ranged() *pb.RangeRequest {
	r := &pb.RangeRequest{}
	r.Key, r.RangeEnd = g.span()
	if g.chance(35) {
		r.Revision = g.past()
	}
	if g.chance(40) {
		r.Limit = int64(g.random.IntN(12)) - 1
	}
	if g.chance(35) {
		r.SortOrder = pb.RangeRequest_SortOrder(g.random.IntN(3))
		r.SortTarget = pb.RangeRequest_SortTarget(g.random.IntN(5))
	}
	if g.chance(1) {
		r.SortTarget = 9
	}
	r.KeysOnly, r.CountOnly, r.Serializable = g.chance(15), g.chance(12), g.chance(20)
	if g.chance(25) {
		r.MinModRevision, r.MaxModRevision = g.bound(), g.bound()
		r.MinCreateRevision, r.MaxCreateRevision = g.bound(), g.bound()
	}
	return r
}

func (g *generator) streamed() *pb.RangeRequest {
	r := g.ranged()
	if g.chance(90) {
		r.SortOrder, r.SortTarget = pb.RangeRequest_NONE, pb.RangeRequest_KEY
		r.MinModRevision, r.MaxModRevision, r.MinCreateRevision, r.MaxCreateRevision = 0, 0, 0, 0
	}
	// Without an order but with a target, etcd sorts each chunk by itself and then goes on behind its
	// last key, so keys are missed or repeated at the borders. Keelson streams in key order.
	if r.SortOrder == pb.RangeRequest_NONE {
		r.SortTarget = pb.RangeRequest_KEY
	}
	return r
}

func (g *generator) deletion() *pb.DeleteRangeRequest {
	r := &pb.DeleteRangeRequest{PrevKv: g.chance(40)}
	r.Key, r.RangeEnd = g.span()
	if len(r.RangeEnd) > 0 && g.chance(70) { // keep something in the store
		r.Key, r.RangeEnd = []byte("k2"), []byte("k25")
	}
	return r
}

func (g *generator) compaction() *pb.CompactionRequest {
	r := &pb.CompactionRequest{Physical: g.chance(80)}
	switch n := g.random.IntN(10); {
	case n == 0:
		r.Revision = g.revision + 1
	case n == 1:
		r.Revision = g.compacted
	case n == 2:
		r.Revision = g.revision
	default:
		low := max(g.compacted, 1)
		r.Revision = low + g.random.Int64N(g.revision-low+1)/3
	}
	return r
}

func (g *generator) lease() proto.Message {
	switch n := g.random.IntN(10); {
	case n < 4:
		return &pb.LeaseGrantRequest{ID: max(g.leaseID(), 1), TTL: 100_000 + g.random.Int64N(1000)}
	case n < 6:
		return &pb.LeaseRevokeRequest{ID: g.leaseID()}
	case n < 9:
		return &pb.LeaseTimeToLiveRequest{ID: g.leaseID(), Keys: g.chance(80)}
	default:
		return &pb.LeaseLeasesRequest{}
	}
}

func (g *generator) hash() *pb.HashKVRequest {
	if g.chance(40) {
		return &pb.HashKVRequest{}
	}
	return &pb.HashKVRequest{Revision: max(g.past(), 0)}
}

func (g *generator) watch() *pb.WatchRequest {
	if g.chance(25) {
		return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{
			CancelRequest: &pb.WatchCancelRequest{WatchId: int64(g.random.IntN(12))}}}
	}
	r := &pb.WatchCreateRequest{PrevKv: g.chance(40), Fragment: g.chance(10)}
	r.Key, r.RangeEnd = g.span()
	if g.chance(60) {
		r.StartRevision = g.past()
	}
	if g.chance(25) {
		r.WatchId = int64(g.random.IntN(30))
	}
	if g.chance(20) {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_NOPUT)
	}
	if g.chance(20) {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_NODELETE)
	}
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}}
}
