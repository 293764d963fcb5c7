package differential

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// answer is what one server said, made comparable.
type answer struct {
	message  proto.Message // nil after an error
	err      string
	revision int64 // of the header; 0 after an error
}

const callTimeout = 20 * time.Second

// ask sends a request and normalises the answer.
func ask(conn *grpc.ClientConn, step Step) answer {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var m proto.Message
	var err error
	if step.Stream {
		m, err = collect(ctx, conn, step.Request.(*pb.RangeRequest))
	} else {
		path, empty := methodOf(step.Request)
		m, err = empty, conn.Invoke(ctx, path, step.Request, empty)
	}
	if err != nil {
		st := status.Convert(err)
		return answer{err: fmt.Sprintf("%s: %s", st.Code(), st.Message())}
	}
	out := answer{message: m}
	if h, ok := m.(interface{ GetHeader() *pb.ResponseHeader }); ok {
		out.revision = h.GetHeader().GetRevision()
	}
	normalise(step.Request, m)
	return out
}

func methodOf(request proto.Message) (string, proto.Message) {
	switch request.(type) {
	case *pb.RangeRequest:
		return "/etcdserverpb.KV/Range", &pb.RangeResponse{}
	case *pb.PutRequest:
		return "/etcdserverpb.KV/Put", &pb.PutResponse{}
	case *pb.DeleteRangeRequest:
		return "/etcdserverpb.KV/DeleteRange", &pb.DeleteRangeResponse{}
	case *pb.TxnRequest:
		return "/etcdserverpb.KV/Txn", &pb.TxnResponse{}
	case *pb.CompactionRequest:
		return "/etcdserverpb.KV/Compact", &pb.CompactionResponse{}
	case *pb.LeaseGrantRequest:
		return "/etcdserverpb.Lease/LeaseGrant", &pb.LeaseGrantResponse{}
	case *pb.LeaseRevokeRequest:
		return "/etcdserverpb.Lease/LeaseRevoke", &pb.LeaseRevokeResponse{}
	case *pb.LeaseTimeToLiveRequest:
		return "/etcdserverpb.Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveResponse{}
	case *pb.LeaseLeasesRequest:
		return "/etcdserverpb.Lease/LeaseLeases", &pb.LeaseLeasesResponse{}
	case *pb.HashKVRequest:
		return "/etcdserverpb.Maintenance/HashKV", &pb.HashKVResponse{}
	}
	panic(fmt.Sprintf("no method for %T", request))
}

// collect joins the chunks of a RangeStream; their borders are the server's business.
func collect(ctx context.Context, conn *grpc.ClientConn, r *pb.RangeRequest) (proto.Message, error) {
	client, err := pb.NewKVClient(conn).RangeStream(ctx, r)
	if err != nil {
		return nil, err
	}
	whole := &pb.RangeResponse{}
	for {
		chunk, err := client.Recv()
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		if whole.Header != nil {
			return nil, errors.New("a chunk after the one with the header")
		}
		part := chunk.GetRangeResponse()
		whole.Kvs = append(whole.Kvs, part.GetKvs()...)
		whole.Header, whole.More, whole.Count = part.GetHeader(), part.GetMore(), part.GetCount()
	}
}

// normalise removes what may differ: identities, terms, the time left, the order of equals.
func normalise(request, m proto.Message) {
	clearHeaders(m.ProtoReflect())
	switch a := m.(type) {
	case *pb.RangeResponse:
		settleTies(request.(*pb.RangeRequest), a)
	case *pb.LeaseTimeToLiveResponse:
		a.TTL = min(a.TTL, 1)
		slices.SortFunc(a.Keys, bytes.Compare)
	case *pb.LeaseLeasesResponse:
		slices.SortFunc(a.Leases, func(x, y *pb.LeaseStatus) int { return cmp.Compare(x.ID, y.ID) })
	}
}

func clearHeaders(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				clearHeaders(v.List().Get(i).Message())
			}
		default:
			if header, ok := v.Message().Interface().(*pb.ResponseHeader); ok {
				header.ClusterId, header.MemberId, header.RaftTerm = 0, 0, 0
			} else {
				clearHeaders(v.Message())
			}
		}
		return true
	})
}

// settleTies orders runs of equal sort keys by key. The last run of a cut answer is dropped: which of
// the equals it holds is open.
func settleTies(r *pb.RangeRequest, a *pb.RangeResponse) {
	var field func(*mvccpb.KeyValue) string
	switch r.SortTarget {
	case pb.RangeRequest_VERSION:
		field = func(kv *mvccpb.KeyValue) string { return fmt.Sprint(kv.Version) }
	case pb.RangeRequest_CREATE:
		field = func(kv *mvccpb.KeyValue) string { return fmt.Sprint(kv.CreateRevision) }
	case pb.RangeRequest_MOD:
		field = func(kv *mvccpb.KeyValue) string { return fmt.Sprint(kv.ModRevision) }
	case pb.RangeRequest_VALUE:
		if r.KeysOnly { // the values are gone: only the number can be compared
			for _, kv := range a.Kvs {
				proto.Reset(kv)
			}
			return
		}
		field = func(kv *mvccpb.KeyValue) string { return string(kv.Value) }
	default:
		return
	}
	for from := 0; from < len(a.Kvs); {
		to := from + 1
		for to < len(a.Kvs) && field(a.Kvs[to]) == field(a.Kvs[from]) {
			to++
		}
		slices.SortFunc(a.Kvs[from:to], func(x, y *mvccpb.KeyValue) int {
			return bytes.Compare(x.Key, y.Key)
		})
		if to == len(a.Kvs) && a.More {
			for _, kv := range a.Kvs[from:] {
				proto.Reset(kv)
			}
		}
		from = to
	}
}
