package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

func TestExpand(t *testing.T) {
	variables := map[string]string{"L": "7"}
	for text, want := range map[string]string{
		"@x(3)":                    "xxx",
		"@repeat(2, a:{%02d})":     "a:{00} a:{01} ",
		"ID:$L":                    "ID:7",
		"@repeat(2, f(g(%d), $L))": "f(g(0), 7) f(g(1), 7) ",
	} {
		if got, err := expand(text, variables); err != nil || got != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"$UNKNOWN", "@repeat(2, (", "@repeat(x, y)"} {
		if got, err := expand(text, variables); err == nil {
			t.Errorf("%q: got %q and no error", text, got)
		}
	}
}

func TestParseAndRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	text := "# Comment.\nservers: etcd\n\ncase one\nKV.Put key:\"a\"\n> deadline 1s\n----\nold\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := Parse(path)
	if err != nil || len(script.Cases) != 1 || script.Cases[0].Commands[0].Expected != "old" {
		t.Fatalf("got %+v, %v", script, err)
	}
	script.Cases[0].Commands[0].Actual = "new"
	if err := script.Rewrite(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != strings.Replace(text, "old", "new", 1) {
		t.Fatalf("got %q", got)
	}
	if err := os.WriteFile(path, []byte("KV.Put\n----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(path); err == nil {
		t.Fatal("a command outside of a case is no error")
	}
}

// What grouping by watch id would hide shows as a BAD line.
func TestWatchLogNoticesBrokenPromises(t *testing.T) {
	event := func(revision int64) *mvccpb.Event {
		return &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte("a"), ModRevision: revision}}
	}
	answer := func(header int64, revisions ...int64) *pb.WatchResponse {
		r := &pb.WatchResponse{Header: &pb.ResponseHeader{ClusterId: 1, MemberId: 2, Revision: header}}
		for _, revision := range revisions {
			r.Events = append(r.Events, event(revision))
		}
		return r
	}
	foreign := answer(5, 5)
	foreign.Header.MemberId = 3
	for name, responses := range map[string][]*pb.WatchResponse{
		"split":   {answer(5, 4, 5), answer(5, 5)},
		"header":  {answer(4, 5)},
		"foreign": {foreign},
	} {
		log := &watchLog{printer: &printer{ids: identity{1, 2}}, last: map[int64]int64{}}
		for _, r := range responses {
			log.add(proto.Clone(r).(*pb.WatchResponse))
		}
		if !strings.Contains(log.String(), "BAD") {
			t.Errorf("%s: not noticed:\n%s", name, log)
		}
	}
	good := &watchLog{printer: &printer{ids: identity{1, 2}}, last: map[int64]int64{}}
	good.add(answer(6, 4, 5))
	good.add(answer(6, 6))
	if strings.Contains(good.String(), "BAD") || good.items != 3 {
		t.Errorf("noticed what is right:\n%s", good)
	}
}
