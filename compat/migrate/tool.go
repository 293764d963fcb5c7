// Package migrate runs `keelson migrate` between real stores: etcd, kine, and Keelson's own. What
// one server answers before is what another answers afterwards.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"keelson/compat/harness"
)

const limit = 60 * time.Second

// run calls a program and gives its exit code and all that it said.
func run(environment []string, path string, arguments ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, path, arguments...)
	command.Env = append(os.Environ(), environment...)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), string(out), nil
	}
	return 0, string(out), err
}

// migrate moves a store; any outcome but success is an error.
func migrate(from, to string, flags ...string) (string, error) {
	binary, err := harness.KeelsonBinary()
	if err != nil {
		return "", err
	}
	code, out, err := run(nil, binary, append([]string{"migrate", "--from=" + from, "--to=" + to}, flags...)...)
	if err == nil && code != 0 {
		err = fmt.Errorf("migrate from %s to %s: exit code %d: %s", from, to, code, out)
	}
	return out, err
}

// tool runs one of etcd's.
func tool(name string, arguments ...string) error {
	path, err := harness.Tool(name)
	if err != nil {
		return err
	}
	code, out, err := run(nil, path, arguments...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s %s: exit code %d: %s", name, strings.Join(arguments, " "), code, out)
	}
	return err
}

// content is what clients see of a store.
type content struct {
	Revision, Compacted int64
	Hash                uint32
	Keys                []string // each as text of the whole KeyValue
	Leases              []int64
}

// difference is "" between equal ones.
func (c content) difference(other content) string {
	if c.Revision != other.Revision || c.Compacted != other.Compacted || c.Hash != other.Hash {
		return fmt.Sprintf("revision %d, compacted at %d, HashKV %d in place of %d, %d, %d", other.Revision, other.Compacted,
			other.Hash, c.Revision, c.Compacted, c.Hash)
	}
	if !slices.Equal(c.Leases, other.Leases) {
		return fmt.Sprintf("leases %v in place of %v", other.Leases, c.Leases)
	}
	return unequal(c.Keys, other.Keys)
}

// unequal tells the first difference of two lists, "" if there is none.
func unequal(wanted, found []string) string {
	for i := range min(len(wanted), len(found)) {
		if wanted[i] != found[i] {
			return fmt.Sprintf("%.300q in place of %.300q", found[i], wanted[i])
		}
	}
	if len(wanted) != len(found) {
		return fmt.Sprintf("%d keys in place of %d", len(found), len(wanted))
	}
	return ""
}

// sees asks a server for all of it.
func sees(s *harness.Server) (content, error) {
	conn, err := s.Dial()
	if err != nil {
		return content{}, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out content
	keys, err := everything(ctx, pb.NewKVClient(conn))
	if err != nil {
		return content{}, err
	}
	out.Keys, out.Revision = keys.texts(), keys.Header.Revision
	hash, err := pb.NewMaintenanceClient(conn).HashKV(ctx, &pb.HashKVRequest{})
	if err != nil {
		return content{}, err
	}
	out.Hash, out.Compacted = hash.Hash, hash.CompactRevision
	leases, err := pb.NewLeaseClient(conn).LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	if err != nil {
		return content{}, err
	}
	for _, lease := range leases.Leases {
		out.Leases = append(out.Leases, lease.ID)
	}
	slices.Sort(out.Leases)
	return out, nil
}

type rangeAnswer struct{ *pb.RangeResponse }

func everything(ctx context.Context, kv pb.KVClient) (rangeAnswer, error) {
	answer, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte("/"), RangeEnd: []byte("0")})
	return rangeAnswer{answer}, err
}

// texts are the pairs in full; plain leaves out what kine does not keep.
func (a rangeAnswer) texts() []string {
	var out []string
	for _, kv := range a.Kvs {
		text, err := proto.Marshal(kv)
		if err != nil {
			panic(err)
		}
		out = append(out, string(text))
	}
	return out
}

func (a rangeAnswer) plain() []string {
	var out []string
	for _, kv := range a.Kvs {
		out = append(out, fmt.Sprintf("%s = %q created %d changed %d lease %d", kv.Key, kv.Value, kv.CreateRevision,
			kv.ModRevision, kv.Lease))
	}
	return out
}
