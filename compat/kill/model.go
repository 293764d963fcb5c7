// Package kill ends a server by SIGKILL at random moments under full write load and checks, after
// every restart, all that its clients had been told against the complete history.
package kill

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// row is one entry of the bucket that HashKV walks: a revision of a key, or its tombstone.
type row struct {
	main, sub int64
	key       string
	tombstone bool
	value     []byte // the encoded KeyValue
}

// model is the store as its history says it must be. Its rows are those that are not compacted yet.
type model struct {
	revision  int64
	compacted int64 // -1 before the first
	keys      map[string]*mvccpb.KeyValue
	rows      []row
}

func newModel() *model {
	return &model{revision: 1, compacted: -1, keys: map[string]*mvccpb.KeyValue{}}
}

// signature says what one revision changed, so that two views of it can be compared.
func signature(events []*mvccpb.Event) string {
	parts := make([]string, len(events))
	for i, event := range events {
		if event.Type == mvccpb.Event_DELETE {
			parts[i] = deleteMark(string(event.Kv.Key))
		} else {
			parts[i] = putMark(string(event.Kv.Key), event.Kv.Value, event.Kv.Lease)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func putMark(key string, value []byte, lease int64) string {
	return fmt.Sprintf("P:%s:%08x:%x", key, crc32.ChecksumIEEE(value), lease)
}

func deleteMark(key string) string { return "D:" + key }

// apply takes the events of the next revision and checks each against the state before it.
func (m *model) apply(revision int64, events []*mvccpb.Event) error {
	if revision != m.revision+1 {
		return fmt.Errorf("revision %d follows %d", revision, m.revision)
	}
	m.revision = revision
	for sub, event := range events {
		key := string(event.Kv.Key)
		before := m.keys[key]
		if !proto.Equal(event.PrevKv, before) && !(event.PrevKv == nil && before == nil) {
			return fmt.Errorf("revision %d: previous value of %s is %v, but was %v", revision, key,
				brief(event.PrevKv), brief(before))
		}
		entry := row{main: revision, sub: int64(sub), key: key}
		var err error
		if event.Type == mvccpb.Event_DELETE {
			if before == nil {
				return fmt.Errorf("revision %d deletes %s, which is not there", revision, key)
			}
			delete(m.keys, key)
			entry.tombstone = true
			entry.value, err = proto.Marshal(&mvccpb.KeyValue{Key: event.Kv.Key})
		} else {
			create, version := revision, int64(1)
			if before != nil {
				create, version = before.CreateRevision, before.Version+1
			}
			if event.Kv.CreateRevision != create || event.Kv.Version != version || event.Kv.ModRevision != revision {
				return fmt.Errorf("revision %d: %s has %v, expected create %d version %d", revision, key,
					brief(event.Kv), create, version)
			}
			m.keys[key] = event.Kv
			entry.value, err = proto.Marshal(event.Kv)
		}
		if err != nil {
			return err
		}
		m.rows = append(m.rows, entry)
	}
	return nil
}

func brief(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return "nothing"
	}
	return fmt.Sprintf("{create %d mod %d version %d lease %x value %08x}", kv.CreateRevision, kv.ModRevision,
		kv.Version, kv.Lease, crc32.ChecksumIEEE(kv.Value))
}

type place struct{ main, sub int64 }

// newest gives each key's newest row at or below a revision.
func (m *model) newest(revision int64) map[string]row {
	out := map[string]row{}
	for _, r := range m.rows {
		if r.main <= revision {
			out[r.key] = r
		}
	}
	return out
}

// compact drops what a compaction at `revision` drops: every row at or below it that is not its key's
// newest, and tombstones older than it.
func (m *model) compact(revision int64) {
	newest := m.newest(revision)
	m.compacted = revision
	m.rows = slices.DeleteFunc(m.rows, func(r row) bool {
		if r.main > revision {
			return false
		}
		last := newest[r.key]
		return r.main != last.main || r.sub != last.sub || (r.tombstone && r.main < revision)
	})
}

// at describes what a revision wrote.
func (m *model) at(revision int64) []string {
	var out []string
	for _, r := range m.rows {
		if r.main == revision {
			out = append(out, fmt.Sprintf("%s (tombstone %t)", r.key, r.tombstone))
		}
	}
	return out
}

// hash is etcd's HashKV at a revision above the compacted one.
func (m *model) hash(revision int64) uint32 {
	keep := map[place]bool{}
	for _, r := range m.newest(revision) {
		if !r.tombstone {
			keep[place{r.main, r.sub}] = true
		}
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, _ = sum.Write([]byte("key"))
	var name bytes.Buffer
	for _, r := range m.rows {
		if r.main > revision || (r.tombstone && r.main == m.compacted) {
			continue
		}
		if r.main <= m.compacted && len(keep) > 0 && !keep[place{r.main, r.sub}] {
			continue
		}
		name.Reset()
		name.Write(binary.BigEndian.AppendUint64(nil, uint64(r.main)))
		name.WriteByte('_')
		name.Write(binary.BigEndian.AppendUint64(nil, uint64(r.sub)))
		if r.tombstone {
			name.WriteByte('t')
		}
		_, _ = sum.Write(name.Bytes())
		_, _ = sum.Write(r.value)
	}
	return sum.Sum32()
}
