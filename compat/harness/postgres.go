package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// PostgresServer is one real PostgreSQL in a folder of its own, on a loopback port and a socket in that
// folder. It syncs what it commits, as in production. Start, Stop, Kill, Pause and Resume are not safe
// for concurrent use; everything else is.
type PostgresServer struct {
	Port      int
	LogFile   string
	Folder    string
	user      *syscall.Credential // nil: the tests' own
	process   *process
	databases atomic.Int64
	settings  []string // beside those that all have
}

// The role that owns the databases of the tests, with no other right.
const (
	postgresRole     = "keelson"
	postgresPassword = "s3cret"
	postgresReady    = "database system is ready to accept connections"
)

// pgTool gives a program of PostgreSQL 15: below KEELSON_POSTGRES, or where Debian puts it.
func pgTool(name string) (string, error) {
	folder := os.Getenv("KEELSON_POSTGRES")
	if folder == "" {
		folder = "/usr/lib/postgresql/15/bin"
	}
	return executable(filepath.Join(folder, name), "install the package postgresql-15")
}

// postgresUser is who runs the database: it refuses to be root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// NewPostgres makes a database server and starts it. Remove ends it.
func NewPostgres() (*PostgresServer, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "keelson-pg-")
	if err != nil {
		return nil, err
	}
	p := &PostgresServer{Port: port, Folder: folder, LogFile: filepath.Join(folder, "log")}
	if p.user, err = postgresUser(); err == nil && p.user != nil {
		err = os.Chown(folder, int(p.user.Uid), int(p.user.Gid))
	}
	if err == nil {
		err = p.initialise()
	}
	if err == nil {
		err = p.Start()
	}
	if err == nil {
		_, err = p.Exec("postgres", fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", postgresRole, postgresPassword))
	}
	if err != nil {
		p.Remove()
		return nil, err
	}
	return p, nil
}

func (p *PostgresServer) initialise() error {
	initdb, err := pgTool("initdb")
	if err != nil {
		return err
	}
	command := exec.Command(initdb, "--pgdata="+p.data(), "--username=postgres", "--auth-local=trust",
		"--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	command.Dir = p.Folder
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: initdb: %w\n%s", err, out)
	}
	return nil
}

func (p *PostgresServer) data() string { return filepath.Join(p.Folder, "data") }

// Start runs the database on its folder (again) and waits until it is ready.
func (p *PostgresServer) Start() error {
	if p.process != nil {
		return errors.New("harness: PostgreSQL already runs")
	}
	binary, err := pgTool("postgres")
	if err != nil {
		return err
	}
	arguments := []string{binary, "-D", p.data(), "-p", strconv.Itoa(p.Port), "-k", p.Folder}
	for _, setting := range []string{"listen_addresses=127.0.0.1", "shared_buffers=32MB", "max_connections=200",
		"max_wal_size=128MB", "timezone=UTC", "log_timezone=UTC", "logging_collector=off"} {
		arguments = append(arguments, "-c", setting)
	}
	for _, setting := range p.settings {
		arguments = append(arguments, "-c", setting)
	}
	started, err := startAs(p.user, arguments, []string{"LC_ALL=C"}, p.LogFile)
	if err != nil {
		return err
	}
	p.process = started
	if err := started.waitFor(postgresReady, 60*time.Second); err != nil {
		p.Kill()
		return fmt.Errorf("harness: PostgreSQL: %w\n%s", err, p.LogTail(3000))
	}
	return nil
}

// UseTLS starts it again with a certificate; who comes by TCP without TLS is then refused.
func (p *PostgresServer) UseTLS(files *TLS) error {
	for name, from := range map[string]string{"server.pem": files.ServerCert, "server.key": files.ServerKey, "ca.pem": files.CAFile} {
		to := filepath.Join(p.Folder, name)
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err == nil && p.user != nil {
			err = os.Chown(to, int(p.user.Uid), int(p.user.Gid))
		}
		if err != nil {
			return err
		}
	}
	p.settings = append(p.settings, "ssl=on", "ssl_cert_file="+filepath.Join(p.Folder, "server.pem"),
		"ssl_key_file="+filepath.Join(p.Folder, "server.key"), "ssl_ca_file="+filepath.Join(p.Folder, "ca.pem"))
	rules := "local all all trust\nhostssl all all all scram-sha-256 clientcert=verify-ca\n"
	if err := os.WriteFile(filepath.Join(p.data(), "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return err
	}
	return p.Restart()
}

// Stop ends it in the fast way: connections are closed, what is committed is written.
func (p *PostgresServer) Stop() error {
	if p.process == nil {
		return nil
	}
	p.process.signal(syscall.SIGINT)
	if p.process.ended(30 * time.Second) {
		p.process = nil
		return nil
	}
	p.Kill()
	return errors.New("harness: PostgreSQL did not end within 30 s")
}

// children gives the processes that the postmaster has started and that run.
func (p *PostgresServer) children() (out []int) {
	pid := p.process.command.Process.Pid
	listed, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, word := range strings.Fields(string(listed)) {
		if child, err := strconv.Atoi(word); err == nil {
			out = append(out, child)
		}
	}
	return out
}

// all gives the postmaster and its children, after stopping the former: there are no more of them then.
func (p *PostgresServer) all() []int {
	p.process.signal(syscall.SIGSTOP)
	return append([]int{p.process.command.Process.Pid}, p.children()...)
}

// CPU is the seconds that the database has spent on a processor, in the processes that run, by the
// scheduler's count, and in those that ended, by the kernel's ticks.
func (p *PostgresServer) CPU() (float64, error) {
	pid := p.process.command.Process.Pid
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, behindName, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(behindName) // from the state, the third of proc(5), on
	const cutime, cstime, ticks = 16 - 3, 17 - 3, 100
	total, err := ProcessCPU(pid)
	if err != nil {
		return 0, err
	}
	for _, field := range []string{fields[cutime], fields[cstime]} {
		spent, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		total += spent / ticks
	}
	for _, child := range p.children() {
		if spent, err := ProcessCPU(child); err == nil { // else it ended between the listing and the reading
			total += spent
		}
	}
	return total, nil
}

func (p *PostgresServer) signalAll(signal syscall.Signal) {
	for _, pid := range p.all() {
		_ = syscall.Kill(pid, signal)
	}
}

// Kill ends all of its processes by SIGKILL, as a crash of the machine would, but for the page cache.
func (p *PostgresServer) Kill() {
	if p.process == nil {
		return
	}
	children := p.all()[1:]
	p.signalAll(syscall.SIGKILL)
	p.process.ended(20 * time.Second)
	p.process = nil
	for _, pid := range children { // they hold the shared memory, without which no new one starts
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && alive(pid); {
			time.Sleep(time.Millisecond)
		}
	}
}

// alive tells whether a process still holds anything: a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// Pause stops all of its processes where they are; Resume lets them go on.
func (p *PostgresServer) Pause()  { p.signalAll(syscall.SIGSTOP) }
func (p *PostgresServer) Resume() { p.signalAll(syscall.SIGCONT) }

// Restart stops and starts it.
func (p *PostgresServer) Restart() error {
	if err := p.Stop(); err != nil {
		return err
	}
	return p.Start()
}

// Backup stops it, copies its files and starts it again; Restore puts them back in the same way, as after
// a failover to a copy that lacks the last commits.
func (p *PostgresServer) Backup() error {
	if err := p.Stop(); err != nil {
		return err
	}
	if err := p.copyFiles(p.data(), p.backup()); err != nil {
		return err
	}
	return p.Start()
}

// Restore goes back to the last Backup.
func (p *PostgresServer) Restore() error {
	if err := p.Stop(); err != nil {
		return err
	}
	if err := p.copyFiles(p.backup(), p.data()); err != nil {
		return err
	}
	return p.Start()
}

func (p *PostgresServer) backup() string { return filepath.Join(p.Folder, "backup") }

// copyFiles keeps owners and rights.
func (p *PostgresServer) copyFiles(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("harness: cp: %w: %s", err, out)
	}
	return nil
}

// Dump gives a schema of a database as SQL text, and Load runs such text as the owner.
func (p *PostgresServer) Dump(database, schema string) (string, error) {
	dump, err := pgTool("pg_dump")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(dump, "--schema="+schema, p.URL(database)).Output()
	return string(out), err
}

// Load replaces the schema by what Dump gave.
func (p *PostgresServer) Load(database, schema, text string) error {
	psql, err := pgTool("psql")
	if err != nil {
		return err
	}
	command := exec.Command(psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d", p.URL(database), "-f", "-")
	command.Stdin = strings.NewReader("DROP SCHEMA " + schema + " CASCADE;\n" + text)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: psql: %w: %s", err, out)
	}
	return nil
}

// Remove ends it and removes its folder.
func (p *PostgresServer) Remove() {
	p.Kill()
	_ = os.RemoveAll(p.Folder)
}

// CreateDatabase makes an empty database and gives the URL for it.
func (p *PostgresServer) CreateDatabase() (string, error) {
	name := fmt.Sprintf("k%d", p.databases.Add(1))
	_, err := p.Exec("postgres", fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, postgresRole))
	return p.URL(name), err
}

// URL is that of a database, by TCP.
func (p *PostgresServer) URL(database string) string { return p.URLVia(p.Port, database) }

// URLVia is that of a database behind another port: that of a Proxy.
func (p *PostgresServer) URLVia(port int, database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable&gssencmode=disable", postgresRole,
		postgresPassword, port, database)
}

// DatabaseOf is the name at the end of a URL.
func DatabaseOf(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url[strings.LastIndex(url, "/")+1:]
}

// Exec runs SQL as the superuser and gives the rows, columns between |.
func (p *PostgresServer) Exec(database, sql string) (string, error) {
	return p.execURL(fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", p.Folder, p.Port, database), sql)
}

func (p *PostgresServer) execURL(url, sql string) (string, error) {
	psql, err := pgTool("psql")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c",
		sql).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("harness: %s: %w: %s", sql, err, out)
	}
	return strings.TrimSpace(string(out)), err
}

// LogTail is the last `limit` bytes of its log.
func (p *PostgresServer) LogTail(limit int) string {
	text, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-limit):])
}
