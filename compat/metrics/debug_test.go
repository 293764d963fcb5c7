package metrics

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"keelson/compat/harness"
)

// What is under /debug/ answers as in etcd, with and without --enable-pprof.
func TestDebugPaths(t *testing.T) {
	for _, kind := range []harness.Kind{harness.Etcd, harness.Native} {
		for _, flags := range [][]string{nil, {"--enable-pprof=false"}} {
			server := harness.Start(t, harness.Options{Kind: kind, Flags: flags})
			for _, path := range []string{"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/requests",
				"/debug/vars/"} {
				wantPage(t, server, http.MethodGet, path, wanted{404, "404 page not found\n"})
			}
			wantPage(t, server, http.MethodPost, "/debug/vars", wanted{405, "Method Not Allowed\n"})
			debugVars(t, server)
		}
	}
}

// wanted is what a path answers with.
type wanted struct {
	status int
	body   string
}

func wantPage(t *testing.T, server *harness.Server, method, path string, want wanted) {
	t.Helper()
	request, err := http.NewRequest(method, server.ClientURL+path, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != want.status || string(got) != want.body {
		t.Errorf("%s: %s %s: %d %q", server.Kind, method, path, answer.StatusCode, got)
	}
	if kind := answer.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("%s: %s: content type %q", server.Kind, path, kind)
	}
}

// debugVars holds the figures that both servers show to what is known of this one.
func debugVars(t *testing.T, server *harness.Server) {
	t.Helper()
	answer, err := http.Get(server.ClientURL + "/debug/vars")
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	if kind := answer.Header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		t.Errorf("%s: content type %q", server.Kind, kind)
	}
	if !strings.HasPrefix(string(body), "{\n\"cmdline\": [") || !strings.HasSuffix(string(body), "}\n}\n") {
		t.Errorf("%s: not expvar's layout: %.80q", server.Kind, body)
	}
	var vars struct {
		Cmdline  []string
		Limit    uint64 `json:"file_descriptor_limit"`
		Memstats map[string]any
		Raft     struct {
			ID, Lead, RaftState   string
			Term, Commit, Applied uint64
		} `json:"raft.status"`
	}
	must(t, json.Unmarshal(body, &vars))
	if !slices.Contains(vars.Cmdline, "--data-dir="+server.DataDir) {
		t.Errorf("%s: command line %q", server.Kind, vars.Cmdline)
	}
	limit := read(t, server.ClientURL).families["os_fd_limit"].Metric[0].GetGauge().GetValue()
	if float64(vars.Limit) != limit {
		t.Errorf("%s: %d descriptors, os_fd_limit %v", server.Kind, vars.Limit, limit)
	}
	for _, name := range []string{"Alloc", "Sys", "HeapAlloc", "HeapSys", "HeapIdle", "HeapInuse"} {
		if bytes, _ := vars.Memstats[name].(float64); bytes <= 0 {
			t.Errorf("%s: memstats.%s is %v", server.Kind, name, vars.Memstats[name])
		}
	}
	raft := vars.Raft
	if raft.ID == "" || raft.ID != raft.Lead || raft.RaftState != "StateLeader" {
		t.Errorf("%s: %+v", server.Kind, raft)
	}
	if raft.Term != 2 || raft.Applied < 4 || raft.Commit < raft.Applied {
		t.Errorf("%s: %+v", server.Kind, raft)
	}
}
