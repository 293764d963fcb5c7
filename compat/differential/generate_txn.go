package differential

import pb "go.etcd.io/etcd/api/v3/etcdserverpb"

// txn makes a transaction; nested ones become rarer with the depth.
func (g *generator) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range g.random.IntN(3) {
		r.Compare = append(r.Compare, g.compare())
	}
	r.Success = g.branch(depth)
	r.Failure = g.branch(depth)
	if depth == 0 && deletesOpenly(r) {
		keepNothing(r)
	}
	if depth == 0 && g.chance(1) {
		for range 126 + g.random.IntN(5) { // around the limit of 128
			r.Success = append(r.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
				RequestRange: &pb.RangeRequest{Key: g.key(), CountOnly: true}}})
		}
	}
	return r
}

func (g *generator) branch(depth int) []*pb.RequestOp {
	var out []*pb.RequestOp
	for range g.random.IntN(4) {
		switch n := g.random.IntN(20); {
		case n < 9:
			out = append(out, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: g.put()}})
		case n < 13:
			r := g.ranged()
			if r.SortTarget != pb.RangeRequest_KEY { // equal sort keys have no order to compare
				r.SortTarget = pb.RangeRequest_KEY
			}
			out = append(out, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}})
		case n < 16:
			out = append(out, &pb.RequestOp{
				Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: g.deletion()}})
		case n == 16 && g.chance(5):
			out = append(out, &pb.RequestOp{})
		case depth < 3:
			out = append(out, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: g.txn(depth + 1)}})
		}
	}
	return out
}

func (g *generator) compare() *pb.Compare {
	c := &pb.Compare{Result: pb.Compare_CompareResult(g.random.IntN(4))}
	c.Key, c.RangeEnd = g.span()
	if g.chance(60) {
		c.RangeEnd = nil
	}
	switch g.random.IntN(6) {
	case 0:
		c.Target = pb.Compare_VERSION
		c.TargetUnion = &pb.Compare_Version{Version: g.random.Int64N(4)}
	case 1:
		c.Target = pb.Compare_CREATE
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: g.bound()}
	case 2:
		c.Target = pb.Compare_MOD
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: g.bound()}
	case 3:
		c.Target = pb.Compare_VALUE
		c.TargetUnion = &pb.Compare_Value{Value: g.value()}
	case 4:
		c.Target = pb.Compare_LEASE
		c.TargetUnion = &pb.Compare_Lease{Lease: g.leaseID()}
	default:
		c.Target = pb.Compare_CompareTarget(g.random.IntN(5))
	}
	return c
}

// deletesOpenly tells whether any operation deletes up to the end of the key space.
func deletesOpenly(r *pb.TxnRequest) bool {
	for _, op := range append(append([]*pb.RequestOp{}, r.Success...), r.Failure...) {
		if end := op.GetRequestDeleteRange().GetRangeEnd(); len(end) == 1 && end[0] == 0 {
			return true
		}
		if op.GetRequestTxn() != nil && deletesOpenly(op.GetRequestTxn()) {
			return true
		}
	}
	return false
}

// keepNothing removes ignore_value and ignore_lease: beside a delete with an open end they can end
// etcd's process.
func keepNothing(r *pb.TxnRequest) {
	for _, op := range append(append([]*pb.RequestOp{}, r.Success...), r.Failure...) {
		if put := op.GetRequestPut(); put != nil {
			put.IgnoreValue, put.IgnoreLease = false, false
		}
		if op.GetRequestTxn() != nil {
			keepNothing(op.GetRequestTxn())
		}
	}
}
