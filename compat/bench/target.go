package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"keelson/compat/harness"
)

const (
	connections = 10
	callers     = 100
	callTimeout = time.Minute
)

// contender is a server that is measured.
type contender struct {
	name     string // in the table
	options  harness.Options
	database func() (string, error) // makes the URL of an empty database; nil where none is asked for
}

// etcd's only flag beside those of the harness: its default quota of 2 GiB would end the larger phases.
func etcdContenders() []contender {
	return []contender{
		{"etcd", harness.Options{Kind: harness.Etcd, Flags: []string{"--quota-backend-bytes=8589934592"}}, nil},
		{"keelson", harness.Options{Kind: harness.Native}, nil},
	}
}

// target is one server under load with the connections to it.
type target struct {
	name    string
	server  *harness.Server
	clients []*clientv3.Client
	objects map[string][]int64 // prefix -> mod revision of each object there
	value   string
}

// openTarget starts a fresh server in a folder of its own below `root`.
func openTarget(c contender, root string, size int) (*target, error) {
	folder, err := os.MkdirTemp(root, string(c.options.Kind)+"-")
	if err != nil {
		return nil, err
	}
	options := c.options
	options.Dir, options.ReadyTimeout = folder, 2*time.Minute
	if c.database != nil {
		if options.Database, err = c.database(); err != nil {
			return nil, err
		}
	}
	server, err := harness.New(options)
	if err != nil {
		return nil, err
	}
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	t := &target{name: c.name, server: server, objects: map[string][]int64{}, value: string(value)}
	return t, t.connect()
}

func (t *target) connect() error {
	t.disconnect()
	for range connections {
		client, err := t.server.Client()
		if err != nil {
			return err
		}
		t.clients = append(t.clients, client)
	}
	return nil
}

func (t *target) disconnect() {
	for _, client := range t.clients {
		_ = client.Close()
	}
	t.clients = nil
}

// close ends the server and removes its folder.
func (t *target) close() {
	t.disconnect()
	t.server.Kill()
	_ = os.RemoveAll(filepath.Dir(t.server.DataDir))
}

func (t *target) client(caller int) *clientv3.Client { return t.clients[caller%len(t.clients)] }

func objectKey(prefix string, i int) string {
	return fmt.Sprintf("%sns-%03d/object-%08d", prefix, i%100, i)
}

// drive makes `n` calls from `concurrency` callers and gives the time each took. The first error ends
// it: a figure with errors in it is not a figure.
func drive(concurrency, n int, call func(ctx context.Context, caller, i int) error) ([]time.Duration, error) {
	latencies := make([]time.Duration, n)
	var next atomic.Int64
	var failed atomic.Bool
	var group sync.WaitGroup
	errs := make([]error, concurrency)
	for caller := range concurrency {
		group.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
				start := time.Now()
				err := call(ctx, caller, i)
				latencies[i] = time.Since(start)
				cancel()
				if err != nil {
					errs[caller] = err
					failed.Store(true)
				}
			}
		})
	}
	group.Wait()
	return latencies, errors.Join(errs...)
}

// swap writes an object if its revision is still the one last seen, as kube-apiserver does.
func (t *target) swap(ctx context.Context, caller int, prefix string, i int) error {
	key := objectKey(prefix, i)
	seen := &t.objects[prefix][i]
	txn := t.client(caller).Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", *seen)).
		Then(clientv3.OpPut(key, t.value))
	if *seen != 0 {
		txn = txn.Else(clientv3.OpGet(key))
	}
	answer, err := txn.Commit()
	if err != nil {
		return err
	}
	if !answer.Succeeded {
		return fmt.Errorf("%s: conflict on %s", t.name, key)
	}
	*seen = answer.Header.Revision
	return nil
}

// remove deletes an object if its revision is still the one last seen.
func (t *target) remove(ctx context.Context, caller int, prefix string, i int) error {
	key := objectKey(prefix, i)
	answer, err := t.client(caller).Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", t.objects[prefix][i])).
		Then(clientv3.OpDelete(key)).
		Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return err
	}
	if !answer.Succeeded {
		return fmt.Errorf("%s: conflict on %s", t.name, key)
	}
	t.objects[prefix][i] = 0
	return nil
}

// get reads one object, linearizable.
func (t *target) get(ctx context.Context, caller int, prefix string, i int) error {
	i = int(int64(i) * 7919 % int64(len(t.objects[prefix])))
	answer, err := t.client(caller).Get(ctx, objectKey(prefix, i))
	if err != nil {
		return err
	}
	if len(answer.Kvs) != 1 || len(answer.Kvs[0].Value) != len(t.value) {
		return fmt.Errorf("%s: object %d of %s is not what was written", t.name, i, prefix)
	}
	return nil
}

// list reads all under `prefix` in pages of 500 at the revision of the first page.
func (t *target) list(ctx context.Context, caller int, prefix string) (int, error) {
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	var revision int64
	total := 0
	for {
		answer, err := t.client(caller).Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(500),
			clientv3.WithRev(revision))
		if err != nil {
			return total, err
		}
		total += len(answer.Kvs)
		if !answer.More {
			return total, nil
		}
		revision = answer.Header.Revision
		from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
	}
}

// load creates `n` objects under a prefix, unmeasured.
func (t *target) load(prefix string, n int) error {
	t.objects[prefix] = make([]int64, n)
	_, err := drive(callers, n, func(ctx context.Context, caller, i int) error {
		return t.swap(ctx, caller, prefix, i)
	})
	return err
}

func (t *target) describe() string {
	binary := t.server.Binary
	return fmt.Sprintf("%s: %s %s", t.name, filepath.Base(binary), strings.Join(t.server.Flags, " "))
}
