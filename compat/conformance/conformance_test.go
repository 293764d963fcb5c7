package conformance

import (
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"keelson/compat/harness"
)

var rewrite = flag.Bool("rewrite", false, "write what etcd answers into the scripts")

func folder() string { return filepath.Join(harness.Root(), "tests", "conformance") }

func TestMain(m *testing.M) { harness.Main(m) }

func parseAll(t *testing.T) map[string]*Script {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder(), "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts in %s: %v", folder(), err)
	}
	scripts := map[string]*Script{}
	for _, path := range paths {
		script, err := Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		scripts[strings.TrimSuffix(filepath.Base(path), ".txt")] = script
	}
	return scripts
}

func TestEtcd(t *testing.T) { runAll(t, harness.Etcd) }

func TestMemory(t *testing.T) { runAll(t, harness.Memory) }

func TestNative(t *testing.T) { runAll(t, harness.Native) }

func TestSQLite(t *testing.T) { runAll(t, harness.SQLite) }

func TestPostgres(t *testing.T) { runAll(t, harness.Postgres) }

// TestGRPC shows that the answers are the services' and not our transport's.
func TestGRPC(t *testing.T) { runAll(t, harness.GRPC) }

func runAll(t *testing.T, kind harness.Kind) {
	if *rewrite && kind != harness.Etcd {
		return
	}
	for name, script := range parseAll(t) {
		if script.RunsOn(kind) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runScript(t, script, harness.Options{Kind: kind, Flags: script.Flags})
			})
		}
	}
}

func runScript(t *testing.T, script *Script, options harness.Options) *harness.Server {
	server := harness.Start(t, options)
	if options.Kind == harness.Etcd {
		// A new etcd says that it is ready before its storage is of its own version, which Status shows.
		if err := server.AwaitLog(`"new-storage-version":"3.7.0"`, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newSession(server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.close() }()
	for _, c := range script.Cases {
		ok := t.Run(c.Name, func(t *testing.T) {
			for _, command := range c.Commands {
				runCommand(t, s, script, command)
			}
		})
		if !ok && t.Failed() && s.conn == nil {
			return server
		}
	}
	if *rewrite && !t.Failed() {
		if err := script.Rewrite(); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

func runCommand(t *testing.T, s *session, script *Script, command *Command) {
	actual, err := s.run(command)
	if err != nil {
		t.Fatalf("%s:%d: %v", script.Path, command.Line, err)
	}
	command.Actual = actual
	if *rewrite {
		if strings.Contains(actual, "BAD") {
			t.Errorf("%s:%d: the oracle broke a rule of the runner:\n%s", script.Path, command.Line, actual)
		}
		return
	}
	kind := s.server.Kind
	want, got := forKind(command.Expected, kind), forKind(actual, kind)
	if kind == harness.SQLite || kind == harness.Postgres {
		want = anyTerm.ReplaceAllString(want, "${1}1")
	}
	if want != got {
		t.Errorf("%s:%d: %s\n  want\n%s\n  got\n%s",
			script.Path, command.Line, shorten(command.Text), indent(want), indent(got))
	}
}

var (
	term    = regexp.MustCompile(`(?i)term: ?[1-9]\d*`)
	anyTerm = regexp.MustCompile(`(?i)(term: ?)[1-9]\d*`)
	dbSize  = regexp.MustCompile(`dbSize(InUse)?: \*\n`)
)

// forKind hides what is not compared on a kind: only etcd and native have Raft's terms and a file. A
// log in SQL has one term, which is 1.
func forKind(text string, kind harness.Kind) string {
	switch kind {
	case harness.Etcd, harness.Native:
		return text
	case harness.SQLite, harness.Postgres:
		return dbSize.ReplaceAllString(text, "")
	}
	return dbSize.ReplaceAllString(term.ReplaceAllString(text, "term:T"), "")
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

func shorten(text string) string {
	if len(text) > 300 {
		return text[:300] + "..."
	}
	return text
}
