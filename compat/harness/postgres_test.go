package harness

import (
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func psqlVia(p *PostgresServer, port int, database, sql string) (string, error) {
	return p.execURL(p.URLVia(port, database), sql)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPostgresKeepsItsDataOverStopKillAndPause(t *testing.T) {
	p := StartPostgres(t)
	url, err := p.CreateDatabase()
	must(t, err)
	name := DatabaseOf(url)
	_, err = p.execURL(url, "CREATE TABLE t (n int); INSERT INTO t VALUES (0)")
	must(t, err)
	for i, again := range []func() error{
		p.Restart,
		func() error { p.Kill(); return p.Start() },
		func() error {
			p.Pause()
			time.AfterFunc(300*time.Millisecond, p.Resume)
			return nil
		},
	} {
		must(t, again())
		_, err := p.execURL(url, "UPDATE t SET n = n + 1")
		must(t, err)
		if got, err := p.Exec(name, "SELECT n FROM t"); err != nil || got != []string{"1", "2", "3"}[i] {
			t.Fatalf("round %d: %q %v", i, got, err)
		}
	}
	if got, err := p.Exec(name, "SHOW fsync"); err != nil || got != "on" {
		t.Fatalf("fsync: %q %v", got, err)
	}
}

func TestSharedPostgresGivesEachItsDatabase(t *testing.T) {
	one, err := sharedDatabase()
	must(t, err)
	two, err := sharedDatabase()
	must(t, err)
	if one == two {
		t.Fatalf("both are %s", one)
	}
}

// behindProxy gives a database of its own in the shared server, and a proxy in front of it.
func behindProxy(t *testing.T) (p *PostgresServer, name string, proxy *Proxy) {
	t.Helper()
	p, err := SharedPostgres()
	must(t, err)
	url, err := p.CreateDatabase()
	must(t, err)
	proxy, err = NewProxy(p.Port)
	must(t, err)
	t.Cleanup(proxy.Close)
	return p, DatabaseOf(url), proxy
}

// What a trap cuts is unknown to the client; the database tells which side of the commit it was.
func TestProxyCutsAtCommit(t *testing.T) {
	p, name, proxy := behindProxy(t)
	_, err := psqlVia(p, proxy.Port, name, "CREATE SCHEMA k; CREATE TABLE k.log (n int); CREATE TABLE other (n int)")
	must(t, err)
	for i, sql := range []string{
		"INSERT INTO k.log VALUES (1)",
		`BEGIN; INSERT INTO "k".log (n) VALUES (1); COMMIT`,
	} {
		for _, at := range []CutPoint{BeforeCommit, AfterCommit} {
			_, err := p.Exec(name, "TRUNCATE k.log")
			must(t, err)
			sprung := proxy.CutAtCommit(at)
			_, err = psqlVia(p, proxy.Port, name, "INSERT INTO other VALUES (1)")
			must(t, err)
			if _, err := psqlVia(p, proxy.Port, name, sql); err == nil {
				t.Fatalf("%s, %s: no error", sql, at)
			}
			<-sprung
			want := []string{"0", "1"}[at]
			got := ""
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && got != want; {
				got, err = p.Exec(name, "SELECT count(*) FROM k.log")
				must(t, err)
			}
			if got != want {
				t.Fatalf("statement %d, %s: %s rows, expected %s", i, at, got, want)
			}
			if _, err = psqlVia(p, proxy.Port, name, "SELECT 1"); err != nil {
				t.Fatalf("after the cut: %v", err)
			}
		}
	}
}

func TestProxyCutsHoldsAndRefuses(t *testing.T) {
	p, name, proxy := behindProxy(t)
	during := func(act func()) error {
		time.AfterFunc(200*time.Millisecond, act)
		_, err := psqlVia(p, proxy.Port, name, "SELECT pg_sleep(1)")
		return err
	}
	if err := during(proxy.Cut); err == nil {
		t.Fatal("Cut: no error")
	}
	proxy.CutAfter(300)
	if err := during(func() {}); err == nil {
		t.Fatal("CutAfter: no error")
	}
	if err := during(func() {}); err != nil {
		t.Fatalf("after CutAfter: %v", err)
	}
	start := time.Now()
	err := during(func() {
		proxy.Hold()
		time.AfterFunc(2*time.Second, proxy.Release)
	})
	if took := time.Since(start); err != nil || took < 2*time.Second {
		t.Fatalf("Hold: %v after %s", err, took)
	}
	proxy.Refuse(true)
	if err := during(func() {}); err == nil {
		t.Fatal("Refuse: no error")
	}
	proxy.Refuse(false)
	if err := during(func() {}); err != nil {
		t.Fatalf("after Refuse: %v", err)
	}
}

func TestTheRoleOfTheTestsHasFewRights(t *testing.T) {
	p, err := SharedPostgres()
	must(t, err)
	url, err := p.CreateDatabase()
	must(t, err)
	if _, err := p.execURL(url, "CREATE ROLE other"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Fatalf("got %v", err)
	}
	if _, err := p.execURL(strings.Replace(url, postgresPassword, "wrong", 1), "SELECT 1"); err == nil {
		t.Fatal("a wrong password is taken")
	}
}
