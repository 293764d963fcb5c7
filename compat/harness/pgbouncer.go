package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// StartPgBouncer puts a real pooler before a PostgreSQL, in one of its pool modes, with as many server
// connections for all clients together, and gives the port that it listens on.
func StartPgBouncer(t testing.TB, p *PostgresServer, mode string, servers int) int {
	t.Helper()
	port, err := startPgBouncer(t, p, mode, servers)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func startPgBouncer(t testing.TB, p *PostgresServer, mode string, servers int) (int, error) {
	path := os.Getenv("KEELSON_PGBOUNCER")
	if path == "" {
		path = "/usr/sbin/pgbouncer"
	}
	binary, err := executable(path, "install the package pgbouncer")
	if err != nil {
		return 0, err
	}
	port, err := FreePort()
	if err != nil {
		return 0, err
	}
	folder, err := os.MkdirTemp(p.Folder, "pooler-")
	if err != nil {
		return 0, err
	}
	users, config := filepath.Join(folder, "users"), filepath.Join(folder, "ini")
	files := map[string]string{
		users: fmt.Sprintf("%q %q\n", postgresRole, postgresPassword),
		config: fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\n"+
			"unix_socket_dir=\nauth_type=plain\nauth_file=%s\npool_mode=%s\ndefault_pool_size=%d\n",
			p.Port, port, users, mode, servers),
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return 0, err
		}
	}
	if p.user != nil { // it refuses to be root, too
		for _, name := range []string{folder, users, config} {
			if err := os.Chown(name, int(p.user.Uid), int(p.user.Gid)); err != nil {
				return 0, err
			}
		}
	}
	log := filepath.Join(folder, "log")
	pooler, err := startAs(p.user, []string{binary, config}, nil, log)
	if err != nil {
		return 0, err
	}
	t.Cleanup(func() {
		_ = pooler.command.Process.Kill()
		pooler.ended(5 * time.Second)
	})
	if err := pooler.waitFor("process up", 10*time.Second); err != nil {
		text, _ := os.ReadFile(log)
		return 0, fmt.Errorf("harness: PgBouncer: %w\n%s", err, text)
	}
	return port, nil
}
