package conformance

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// settleTies orders runs of kvs whose `field` is equal by key: etcd sorts them unstably.
func settleTies(answer proto.Message, field protoreflect.Name) {
	ranged, ok := answer.(*pb.RangeResponse)
	if !ok || field == "" {
		return
	}
	value := func(kv *mvccpb.KeyValue) string {
		m := kv.ProtoReflect()
		return m.Get(m.Descriptor().Fields().ByName(field)).String()
	}
	kvs := ranged.Kvs
	for from := 0; from < len(kvs); {
		to := from + 1
		for to < len(kvs) && value(kvs[to]) == value(kvs[from]) {
			to++
		}
		slices.SortFunc(kvs[from:to], func(a, b *mvccpb.KeyValue) int {
			return bytes.Compare(a.Key, b.Key)
		})
		from = to
	}
}

// mergeRanges joins the chunks of a RangeStream. What must only be in the last one is checked here.
func (p *printer) mergeRanges(all []proto.Message) string {
	var out strings.Builder
	whole := &pb.RangeResponse{}
	for i, one := range all {
		chunk := one.(*pb.RangeStreamResponse).GetRangeResponse()
		last := i == len(all)-1
		if !last && (chunk.GetHeader() != nil || chunk.GetMore() || chunk.GetCount() != 0) {
			fmt.Fprintf(&out, "BAD: header, more or count in chunk %d of %d\n", i+1, len(all))
		}
		if chunk == nil || (!last && len(chunk.Kvs) == 0) {
			fmt.Fprintf(&out, "BAD: chunk %d of %d is empty\n", i+1, len(all))
		}
		whole.Kvs = append(whole.Kvs, chunk.GetKvs()...)
		whole.Header, whole.More, whole.Count = chunk.GetHeader(), chunk.GetMore(), chunk.GetCount()
	}
	if len(all) == 0 {
		return "BAD: no message\n"
	}
	fmt.Fprintf(&out, "%s\n", p.message(whole))
	return out.String()
}

// snapshotShape is what etcd's clients rely on in a Snapshot stream; sizes are the server's own.
type snapshotShape struct {
	total    int
	problems []string
	hash     [sha256.Size]byte
}

func (s *snapshotShape) check(ok bool, format string, arguments ...any) {
	if !ok {
		s.problems = append(s.problems, fmt.Sprintf(format, arguments...))
	}
}

const snapshotBlock = 32 * 1024

// describeSnapshot checks headers, versions, block sizes, the countdown and the closing checksum.
func describeSnapshot(all []proto.Message) string {
	shape := &snapshotShape{}
	data := []byte{}
	for i, one := range all {
		m := one.(*pb.SnapshotResponse)
		last := i == len(all)-1
		shape.check(m.Header == nil, "message %d has a header", i)
		shape.check(m.Version == "3.7.0", "message %d has version %q", i, m.Version)
		if last {
			shape.check(m.RemainingBytes == 0, "the checksum has %d remaining", m.RemainingBytes)
			shape.hash = sha256.Sum256(data)
			shape.check(bytes.Equal(m.Blob, shape.hash[:]), "the checksum is wrong")
			break
		}
		data = append(data, m.Blob...)
		shape.total = len(data) + int(m.RemainingBytes)
		before := i == len(all)-2
		shape.check(before || len(m.Blob) == snapshotBlock, "block %d has %d bytes", i, len(m.Blob))
		shape.check(!before || m.RemainingBytes == 0, "the last block has %d remaining", m.RemainingBytes)
	}
	shape.check(len(all) >= 2, "only %d messages", len(all))
	shape.check(len(data) == shape.total, "%d bytes, %d announced", len(data), shape.total)
	shape.check(len(data)%4096 == 0, "%d bytes are no whole pages", len(data))
	if len(shape.problems) > 0 {
		return "BAD: " + strings.Join(shape.problems, "\nBAD: ") + "\n"
	}
	return "blocks count down to 0, then their checksum; no headers; version 3.7.0\n"
}
