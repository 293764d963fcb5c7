package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"keelson/compat/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func operations() int {
	if harness.Proving() {
		return 20000
	}
	return 1500
}

// holder is a folder that a server will work in, with the place of its store.
func holder(t *testing.T, kind harness.Kind) (harness.Options, string) {
	t.Helper()
	options := harness.Options{Kind: kind, Dir: t.TempDir()}
	data := filepath.Join(options.Dir, "data")
	switch kind {
	case harness.SQLite:
		return options, "sqlite:" + filepath.Join(data, "keelson.sqlite")
	case harness.Postgres:
		options.Database = newDatabase(t)
		return options, options.Database
	default:
		return options, "native:" + data
	}
}

func newDatabase(t *testing.T) string {
	t.Helper()
	server, err := harness.SharedPostgres()
	if err != nil {
		t.Fatal(err)
	}
	url, err := server.CreateDatabase()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// onServer starts a server, asks it, and stops it.
func onServer(t *testing.T, options harness.Options, wanted content) {
	t.Helper()
	s := harness.Start(t, options)
	found, err := sees(s)
	if err != nil {
		t.Fatal(err)
	}
	if difference := wanted.difference(found); difference != "" {
		t.Fatalf("on %s: %s", options.Kind, difference)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

// loadedEtcd is a real etcd with a history: what it says of itself, and its snapshot.
func loadedEtcd(t *testing.T) (content, string) {
	t.Helper()
	s := harness.Start(t, harness.Options{Kind: harness.Etcd})
	if err := newLoader(harness.Seed(t)).load(s, operations()); err != nil {
		t.Fatal(err)
	}
	wanted, err := sees(s)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "etcd.db")
	if err := tool("etcdctl", "--endpoints="+s.ClientURL, "snapshot", "save", file); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	return wanted, file
}

// onEtcd restores a snapshot as an operator would and looks at it through a real etcd.
func onEtcd(t *testing.T, snapshot string, wanted content, flags ...string) {
	t.Helper()
	options := harness.Options{Kind: harness.Etcd, Dir: t.TempDir()}
	arguments := []string{"snapshot", "restore", snapshot, "--data-dir=" + filepath.Join(options.Dir, "data")}
	if err := tool("etcdutl", "snapshot", "status", snapshot); err != nil {
		t.Fatal(err)
	}
	if err := tool("etcdutl", append(arguments, flags...)...); err != nil {
		t.Fatal(err)
	}
	onServer(t, options, wanted)
}

// etcd to SQLite to PostgreSQL to native to etcd, every stage seen through its own server.
func TestAroundAllStores(t *testing.T) {
	wanted, snapshot := loadedEtcd(t)
	place := "snapshot:" + snapshot
	for _, kind := range []harness.Kind{harness.SQLite, harness.Postgres, harness.Native} {
		options, next := holder(t, kind)
		if _, err := migrate(place, next); err != nil {
			t.Fatal(err)
		}
		onServer(t, options, wanted)
		if kind == harness.Postgres {
			gone(t, options.Database)
		}
		place = next
	}
	last := filepath.Join(t.TempDir(), "keelson.db")
	if _, err := migrate(place, "snapshot:"+last); err != nil {
		t.Fatal(err)
	}
	onEtcd(t, last, wanted)
}

// gone asks until the servers that were stopped no longer count as live.
func gone(t *testing.T, database string) {
	t.Helper()
	server, err := harness.SharedPostgres()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := server.Exec(harness.DatabaseOf(database), "SELECT count(*) FROM keelson.instances")
	if err != nil || rows != "0" {
		t.Fatalf("a server that stopped takes leave: %s %v", rows, err)
	}
}

// A server that runs is moved by a snapshot of it, over TLS with certificates on both sides.
func TestFromARunningServer(t *testing.T) {
	seed := harness.Seed(t)
	for _, kind := range harness.Turn(t, seed, harness.Etcd, harness.Native, harness.SQLite) {
		options, _ := holder(t, kind)
		options.Dir = t.TempDir()
		files, err := harness.NewTLS(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		files.ClientAuth = true
		options.TLS = files
		s := harness.Start(t, options)
		if err := newLoader(seed).load(s, 300); err != nil {
			t.Fatal(err)
		}
		wanted, err := sees(s)
		if err != nil {
			t.Fatal(err)
		}
		next, place := holder(t, harness.Postgres)
		if out, err := migrate("etcd:"+s.ClientURL, place, "--cacert="+files.CAFile); err == nil {
			t.Fatalf("without a certificate: %s", out)
		}
		if _, err := migrate("etcd:"+s.ClientURL, place, "--cacert="+files.CAFile, "--cert="+files.ClientCert,
			"--key="+files.ClientKey); err != nil {
			t.Fatal(err)
		}
		onServer(t, next, wanted)
	}
}

// etcd itself starts on a directory that was made for Keelson.
func TestEtcdStartsOnAMadeDirectory(t *testing.T) {
	wanted, snapshot := loadedEtcd(t)
	options, place := holder(t, harness.Native)
	if _, err := migrate("snapshot:"+snapshot, place); err != nil {
		t.Fatal(err)
	}
	options.Kind = harness.Etcd
	onServer(t, options, wanted)
}

// Bumped revisions are those of etcdutl's restore with the same flags.
func TestBumpedAsEtcdutlDoes(t *testing.T) {
	_, snapshot := loadedEtcd(t)
	theirs := harness.Options{Kind: harness.Etcd, Dir: t.TempDir()}
	if err := tool("etcdutl", "snapshot", "restore", snapshot, "--bump-revision=1000000", "--mark-compacted",
		"--data-dir="+filepath.Join(theirs.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, theirs)
	wanted, err := sees(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	ours, place := holder(t, harness.SQLite)
	if _, err := migrate("snapshot:"+snapshot, place, "--bump-revision=1000000", "--mark-compacted"); err != nil {
		t.Fatal(err)
	}
	onServer(t, ours, wanted)
}

// What a real kine holds in one database comes out of Keelson, and out of kine on the other one.
func TestThroughKine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kine.db")
	seed := harness.Seed(t)
	// As k3s starts it; without WAL nobody can tell that it has the file open.
	sqlite := harness.Options{Kind: harness.Kine, Database: "sqlite://" + file + "?_journal_mode=WAL&_busy_timeout=30000"}
	// kine's driver sends what only libpq knows to the server, which refuses it.
	url := strings.Replace(newDatabase(t), "&gssencmode=disable", "", 1)
	postgres := harness.Options{Kind: harness.Kine, Database: url}
	places := map[string]string{sqlite.Database: "kine-sqlite:" + file, postgres.Database: "kine-" + postgres.Database}
	first, second := sqlite, postgres
	if seed%2 == 0 {
		first, second = second, first
	}
	s := harness.Start(t, first)
	if err := newLoader(seed).loadAsAPIServer(s, 300); err != nil {
		t.Fatal(err)
	}
	wanted := seenPlain(t, s)
	middle, place := holder(t, harness.Turn(t, seed/2, harness.Native, harness.SQLite, harness.Postgres)[0])
	if middle.Kind == harness.Postgres { // in the place of kine, beside its table
		middle.Database, place = url, url
	}
	if out, err := migrate(places[first.Database], place); err == nil || !strings.Contains(out, "stop kine") {
		t.Fatalf("kine runs: %s %v", out, err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := migrate(places[first.Database], place); err != nil {
		t.Fatal(err)
	}
	between := harness.Start(t, middle)
	if difference := unequal(wanted, seenPlain(t, between)); difference != "" {
		t.Fatalf("Keelson after kine: %s", difference)
	}
	if err := between.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := migrate(place, places[second.Database]); err != nil || strings.Contains(out, "note:") {
		t.Fatalf("%s %v", out, err)
	}
	back := harness.Start(t, second)
	if difference := unequal(wanted, seenPlain(t, back)); difference != "" {
		t.Fatalf("kine after Keelson: %s", difference)
	}
	// It goes on where it was, and takes what it would take.
	if err := newLoader(seed+1).loadAsAPIServer(back, 50); err != nil {
		t.Fatal(err)
	}
}

func seenPlain(t *testing.T, s *harness.Server) []string {
	t.Helper()
	answer, err := everything(t.Context(), pb.NewKVClient(harness.MustDial(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	return answer.plain()
}

// hostOf is the host and port in a database's URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "@")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func TestRefusals(t *testing.T) {
	wanted, snapshot := loadedEtcd(t)
	url := newDatabase(t)
	harness.Start(t, harness.Options{Kind: harness.Postgres, Database: url})
	kine := harness.Start(t, harness.Options{Kind: harness.Kine, Database: "sqlite://" + filepath.Join(t.TempDir(), "k")})
	cases := []struct {
		from, to string
		code     int
		says     string
	}{
		{"", "sqlite:x", 2, "--from is missing"},
		{"nowhere", "sqlite:x", 2, "--from: it begins with none of snapshot:"},
		{"snapshot:" + snapshot, "etcd:http://127.0.0.1:1", 1, "--to cannot be etcd: without --live: move to a snapshot:"},
		{url, "snapshot:" + snapshot + "x", 1, "stop the servers on postgres:postgres://keelson:***@127.0.0.1"},
		{"snapshot:" + snapshot, url, 1, "holds data already"},
		{"snapshot:" + snapshot, "postgres://u:s3cret@127.0.0.1:1/none", 1, "cannot connect to postgres:"},
		{"kine-" + newDatabase(t), "snapshot:" + snapshot + "x", 1, "has no table of kine"},
		{newDatabase(t), "snapshot:" + snapshot + "x", 1, "has no tables of Keelson"},
		{"etcd:http://127.0.0.1:1", "snapshot:" + snapshot + "x", 1, "127.0.0.1:1: Connection refused"},
		{"etcd:" + hostOf(url), "snapshot:" + snapshot + "x", 1, hostOf(url) + ": the connection broke off"},
		{"etcd:" + kine.ClientURL, "snapshot:" + snapshot + "x", 1, "it answered: snapshot is not supported"},
	}
	binary, err := harness.KeelsonBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range cases {
		environment := []string{"KEELSON_MIGRATE_FROM=" + each.from, "KEELSON_MIGRATE_TO=" + each.to}
		code, out, err := run(environment, binary, "migrate")
		if err != nil || code != each.code || !strings.Contains(out, each.says) {
			t.Errorf("from %s to %s: exit code %d: %s %v", each.from, each.to, code, out, err)
		}
		if strings.Contains(out, "s3cret") {
			t.Errorf("the password is shown: %s", out)
		}
	}
	if _, err := os.Stat(snapshot + "x"); err == nil {
		t.Error("what was refused left a file")
	}
	onEtcd(t, snapshot, wanted)
}
