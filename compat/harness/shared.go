package harness

import (
	"os"
	"sync"
	"testing"
)

// One PostgreSQL for all tests of a package; each server gets a database of its own.
var shared struct {
	lock     sync.Mutex
	postgres *PostgresServer
}

// SharedPostgres starts it at the first call. Packages that use it have Main as their TestMain.
func SharedPostgres() (*PostgresServer, error) {
	shared.lock.Lock()
	defer shared.lock.Unlock()
	if shared.postgres != nil {
		return shared.postgres, nil
	}
	p, err := NewPostgres()
	if err == nil {
		shared.postgres = p
	}
	return p, err
}

func sharedDatabase() (string, error) {
	p, err := SharedPostgres()
	if err != nil {
		return "", err
	}
	return p.CreateDatabase()
}

// Main runs a package's tests and ends what they share.
func Main(m *testing.M) {
	code := m.Run()
	if shared.postgres != nil {
		shared.postgres.Remove()
	}
	os.Exit(code)
}

// StartPostgres is a PostgreSQL of the test's own, which it may stop, kill and pause.
func StartPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	p, err := NewPostgres()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log of PostgreSQL:\n%s", p.LogTail(3000))
		}
		p.Remove()
	})
	return p
}
