package sql

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"keelson/compat/harness"
)

// A day of a cluster's events, without its waiting: ten a second with a TTL of an hour, one lease for
// those of a minute, a compaction every five minutes to what was current five minutes before.
const (
	eventBytes  = 1024
	perLease    = 600
	leasesAlive = 60
	perCompact  = 5 * perLease
	leasesOfDay = 24 * 60
)

// day is the state of the churn: each event is put once and goes with its lease.
type day struct {
	client *clientv3.Client
	value  string
	leases []clientv3.LeaseID
	marks  []int64 // revisions at the compactions, the last two
}

func (d *day) minute(minute int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	lease, err := d.client.Grant(ctx, 7200)
	if err != nil {
		return err
	}
	d.leases = append(d.leases, lease.ID)
	const callers = 50
	errs := make([]error, callers)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := caller; i < perLease && errs[caller] == nil; i += callers {
				key := fmt.Sprintf("/registry/events/default/event-%06d-%04d", minute, i)
				_, errs[caller] = d.client.Put(ctx, key, d.value, clientv3.WithLease(lease.ID))
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if len(d.leases) > leasesAlive {
		if _, err := d.client.Revoke(ctx, d.leases[0]); err != nil {
			return err
		}
		d.leases = d.leases[1:]
	}
	if minute%5 != 4 {
		return nil
	}
	return d.compact(ctx)
}

// compact does what an API server does every five minutes: away with what is older than five.
func (d *day) compact(ctx context.Context) error {
	now, err := d.client.Get(ctx, "none")
	if err != nil {
		return err
	}
	d.marks = append(d.marks, now.Header.Revision)
	if len(d.marks) < 2 {
		return nil
	}
	_, err = d.client.Compact(ctx, d.marks[len(d.marks)-2])
	return err
}

// held is about what must be kept: the live events, and what five to ten minutes put and took away.
func (d *day) held() int64 {
	row := int64(len(d.value)) + 100
	return int64(len(d.leases))*perLease*row + 2*perCompact*(row+100)
}

// sizesOf gives the bytes of the database's files by name.
func sizesOf(folder string) map[string]int64 {
	sizes := map[string]int64{}
	files, _ := filepath.Glob(filepath.Join(folder, "keelson.sqlite*"))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			sizes[filepath.Base(file)] = info.Size()
		}
	}
	return sizes
}

func sizeOf(folder string) (total int64) {
	for _, size := range sizesOf(folder) {
		total += size
	}
	return total
}

// TestSQLiteStaysSmall: nothing in the file grows but what the store holds. It failed where a minute of
// events was written in less than twenty milliseconds: the log was kept for the second between two
// heartbeats, although nobody else was there to read it.
func TestSQLiteStaysSmall(t *testing.T) {
	minutes := leasesAlive + 30
	if harness.Proving() {
		minutes = leasesOfDay
	}
	server := harness.Start(t, harness.Options{Kind: harness.SQLite})
	client, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	d := &day{client: client, value: strings.Repeat("e", eventBytes)}
	worst := 0.0
	for minute := range minutes {
		if err := d.minute(minute); err != nil {
			t.Fatalf("minute %d: %v", minute, err)
		}
		if minute < leasesAlive {
			continue
		}
		ratio := float64(sizeOf(server.DataDir)) / float64(d.held())
		worst = max(worst, ratio)
		if ratio > 2 {
			t.Fatalf("minute %d: the file and its WAL have %v bytes, live and uncompacted rows about %d", minute,
				sizesOf(server.DataDir), d.held())
		}
	}
	t.Logf("%d minutes of events: at most %.2f times what is held, %d MiB", minutes, worst, d.held()>>20)
}
