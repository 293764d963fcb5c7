package conformance

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// watchLog normalises Watch responses: items are grouped by watch id and keep their order within one,
// since neither the order between watches nor the packing of events into responses is promised. What
// is promised and would be lost that way is checked here and shows as a BAD line.
type watchLog struct {
	printer *printer
	items   int
	lines   map[int64][]string
	last    map[int64]int64 // the revision that the last whole response of a watch ended with
}

func (w *watchLog) note(id int64, line string) {
	if w.lines == nil {
		w.lines = map[int64][]string{}
	}
	if !strings.HasPrefix(line, "BAD") {
		w.items++
	}
	w.lines[id] = append(w.lines[id], line)
}

func (w *watchLog) add(r *pb.WatchResponse) {
	if r.GetHeader().GetClusterId() != w.printer.ids.cluster ||
		r.GetHeader().GetMemberId() != w.printer.ids.member {
		w.note(r.WatchId, "BAD: header "+r.GetHeader().String())
	}
	if len(r.Events) == 0 {
		if r.Created {
			delete(w.last, r.WatchId)
		}
		w.note(r.WatchId, control(r))
		return
	}
	first := r.Events[0].Kv.ModRevision
	final := r.Events[len(r.Events)-1].Kv.ModRevision
	if first <= w.last[r.WatchId] {
		w.note(r.WatchId, fmt.Sprintf("BAD: the events of revision %d are split or repeated", first))
	}
	if r.Header.GetRevision() < final {
		w.note(r.WatchId, fmt.Sprintf("BAD: header revision %d, events up to %d",
			r.Header.GetRevision(), final))
	}
	if r.Created || r.Canceled || r.CompactRevision != 0 || r.CancelReason != "" {
		w.note(r.WatchId, "BAD: events in a control response: "+control(r))
	}
	for _, e := range r.Events {
		line := fmt.Sprintf("%s %s", e.Type, w.printer.nested(e.Kv.ProtoReflect()))
		if e.PrevKv != nil {
			line += " prev " + w.printer.nested(e.PrevKv.ProtoReflect())
		}
		w.note(r.WatchId, line)
	}
	if !r.Fragment {
		w.last[r.WatchId] = final
	}
}

// control is a response without events in one line.
func control(r *pb.WatchResponse) string {
	var out []string
	if r.Created {
		out = append(out, "created")
	}
	if r.Canceled {
		out = append(out, "canceled")
	}
	if r.Fragment {
		out = append(out, "fragment")
	}
	if len(out) == 0 {
		out = append(out, "progress")
	}
	if r.CompactRevision != 0 {
		out = append(out, fmt.Sprintf("compact_revision:%d", r.CompactRevision))
	}
	if r.CancelReason != "" {
		out = append(out, fmt.Sprintf("reason:%q", r.CancelReason))
	}
	return fmt.Sprintf("%s revision:%d", strings.Join(out, " "), r.Header.GetRevision())
}

func (w *watchLog) String() string {
	ids := make([]int64, 0, len(w.lines))
	for id := range w.lines {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var out strings.Builder
	for _, id := range ids {
		for _, line := range abridge(w.lines[id]) {
			fmt.Fprintf(&out, "watch %d: %s\n", id, line)
		}
	}
	return out.String()
}

// abridge keeps the ends of a long list and a hash of all of it.
func abridge(lines []string) []string {
	if len(lines) <= longList {
		return lines
	}
	hash := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return []string{
		lines[0], lines[1], fmt.Sprintf("<%d lines %x>", len(lines), hash[:4]), lines[len(lines)-1],
	}
}
