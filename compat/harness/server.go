package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Kind names what serves.
type Kind string

const (
	// Etcd is the peer, etcd 3.7.3.
	Etcd Kind = "etcd"
	// Native is Keelson with its store on disk.
	Native Kind = "native"
	// SQLite is Keelson with its log in a SQLite file.
	SQLite Kind = "sqlite"
	// Postgres is Keelson with its log in a PostgreSQL: Options.Database, or a new database in the one
	// that the tests of a package share (see SharedPostgres).
	Postgres Kind = "postgres"
	// Memory is Keelson with the log in memory: it forgets at a restart.
	Memory Kind = "memory"
	// Hostile is Keelson on the hostile log of the tests (tests/hostile): it does all that a log may
	// do and no client may notice, by the seed in KEELSON_SEED. It keeps what it has at a restart.
	Hostile Kind = "hostile"
	// Kine is the peer on SQL, kine 0.16.4; Options.Database is its endpoint.
	Kine Kind = "kine"
	// GRPC is Memory with gRPC C++ as its front end in place of our transport: plaintext, no HTTP.
	GRPC Kind = "grpc"
)

// Options says how to start a server.
type Options struct {
	Kind  Kind
	Dir   string   // holds data, logs and certificates; must exist and be the caller's own
	Flags []string // appended, so they override the harness's own
	Env   []string // appended to the environment, as NAME=value
	TLS   *TLS     // https for clients when set
	// Name is the member's; default "default".
	Name string
	// Database is the URL of Postgres, the endpoint of Kine.
	Database string
	// Binary overrides the path (another build of Keelson).
	Binary string
	// Before is put in front of the command (for example "taskset", "-c", "0").
	Before []string
	// ReadyTimeout bounds one start; default 30 s.
	ReadyTimeout time.Duration
}

// Server is one running server and the folder it works in. It is not safe for concurrent Start, Stop
// and Kill; everything else is.
type Server struct {
	Options
	ClientURL string // what clients dial, with scheme
	PeerURL   string
	DataDir   string
	LogFile   string
	process   *process
}

const readyLine = "ready to serve client requests"

func (s *Server) readyLine() string {
	if s.Kind == Kine {
		return "Kine available at"
	}
	return readyLine
}

// New picks ports and folders and starts the server; it returns once the server says it is ready.
func New(options Options) (*Server, error) {
	var last error
	for range 3 {
		s, err := Prepare(options)
		if err != nil {
			return nil, err
		}
		if last = s.Start(); last == nil {
			return s, nil
		}
		if !strings.Contains(last.Error(), "address already in use") {
			break
		}
	}
	return nil, last
}

// Prepare picks ports and folders and leaves it to the caller to start the server.
func Prepare(options Options) (*Server, error) {
	client, err := FreePort()
	if err != nil {
		return nil, err
	}
	peer, err := FreePort()
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if options.TLS != nil {
		scheme = "https"
	}
	if options.ReadyTimeout == 0 {
		options.ReadyTimeout = 30 * time.Second
	}
	if options.Name == "" {
		options.Name = "default"
	}
	if options.Binary == "" {
		options.Binary, err = serverBinary(options.Kind)
	}
	if err == nil && options.Kind == Postgres && options.Database == "" {
		options.Database, err = sharedDatabase()
	}
	return &Server{
		Options:   options,
		ClientURL: fmt.Sprintf("%s://127.0.0.1:%d", scheme, client),
		PeerURL:   fmt.Sprintf("http://127.0.0.1:%d", peer),
		DataDir:   filepath.Join(options.Dir, "data"),
		LogFile:   filepath.Join(options.Dir, string(options.Kind)+".log"),
	}, err
}

func serverBinary(kind Kind) (string, error) {
	switch kind {
	case Etcd:
		return Tool("etcd")
	case Kine:
		return Tool("kine")
	case Hostile:
		return TestBinary("tests/hostile/hostile_server")
	case GRPC:
		return TestBinary("tests/grpc_server/grpc_server")
	default:
		return KeelsonBinary()
	}
}

func (s *Server) arguments() []string {
	if s.Kind == Kine {
		return append([]string{"--endpoint=" + s.Database, "--listen-address=" + s.Address(),
			"--metrics-bind-address=0"}, s.Flags...)
	}
	out := []string{
		"--name=" + s.Name, "--data-dir=" + s.DataDir,
		"--listen-client-urls=" + s.ClientURL, "--advertise-client-urls=" + s.ClientURL,
		"--listen-peer-urls=" + s.PeerURL, "--initial-advertise-peer-urls=" + s.PeerURL,
		"--initial-cluster=" + s.Name + "=" + s.PeerURL,
	}
	switch s.Kind {
	case Etcd:
	case Hostile, GRPC: // what sets them apart is built in
		out = append(out, "--backend="+string(Memory))
	default:
		out = append(out, "--backend="+string(s.Kind))
	}
	if s.Kind == Postgres {
		out = append(out, "--backend-url="+s.Database)
	}
	if s.TLS != nil {
		out = append(out, "--cert-file="+s.TLS.ServerCert, "--key-file="+s.TLS.ServerKey)
		if s.TLS.ClientAuth {
			out = append(out, "--client-cert-auth", "--trusted-ca-file="+s.TLS.CAFile)
		}
	}
	return append(out, s.Flags...)
}

// Start runs the server on its folder (again) and waits until it is ready.
func (s *Server) Start() error {
	if s.process != nil {
		return errors.New("harness: already running")
	}
	command := append(append([]string{}, s.Before...), s.Binary)
	p, err := start(append(command, s.arguments()...), s.Env, s.LogFile)
	if err != nil {
		return err
	}
	s.process = p
	if err := p.waitFor(s.readyLine(), s.ReadyTimeout); err != nil {
		s.Kill()
		return fmt.Errorf("harness: %s: %w\n%s", s.Kind, err, s.LogTail(4000))
	}
	return nil
}

// Stop asks the server to end (SIGTERM) and waits; after 20 s it kills, which is an error.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	p.signal(syscall.SIGTERM)
	if p.ended(20 * time.Second) {
		return nil
	}
	p.signal(syscall.SIGKILL)
	p.ended(20 * time.Second)
	return fmt.Errorf("harness: %s did not end within 20 s of SIGTERM", s.Kind)
}

// Kill ends the server by SIGKILL and waits until it is gone.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	s.process.signal(syscall.SIGKILL)
	s.process.ended(20 * time.Second)
	s.process = nil
}

// Restart stops the server and starts it on the same folder and ports.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.Start()
}

// Signal sends a signal to the running server.
func (s *Server) Signal(signal syscall.Signal) { s.process.signal(signal) }

// Pid is the running server's process id.
func (s *Server) Pid() int { return s.process.command.Process.Pid }

// Exited is closed once the present process has ended, for whatever reason.
func (s *Server) Exited() <-chan struct{} { return s.process.done }

// Ending says how the present process ended. REQUIRES: Exited is closed.
func (s *Server) Ending() string { return s.process.command.ProcessState.String() }

// Log is everything the server has written since its folder was made.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// LogTail is the last `limit` bytes of the log.
func (s *Server) LogTail(limit int) string {
	text := s.Log()
	return text[max(0, len(text)-limit):]
}

// AwaitLog waits until the server has written `text`.
func (s *Server) AwaitLog(text string, limit time.Duration) error {
	for end := time.Now().Add(limit); !strings.Contains(s.Log(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("harness: %s did not log %q within %s", s.Kind, text, limit)
		}
	}
	return nil
}

// Address is host:port, as gRPC dials it.
func (s *Server) Address() string {
	_, address, _ := strings.Cut(s.ClientURL, "://")
	return address
}

func (s *Server) clientTLS() (*tls.Config, error) {
	if s.TLS == nil {
		return nil, nil
	}
	return s.TLS.ClientConfig(true)
}

// Dial opens a plain gRPC connection that accepts answers of any size.
func (s *Server) Dial(options ...grpc.DialOption) (*grpc.ClientConn, error) {
	config, err := s.clientTLS()
	if err != nil {
		return nil, err
	}
	security := insecure.NewCredentials()
	if config != nil {
		security = credentials.NewTLS(config)
	}
	all := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)),
	}
	return grpc.NewClient("passthrough:///"+s.Address(), append(all, options...)...)
}

// Client opens an etcd client.
func (s *Server) Client() (*clientv3.Client, error) {
	config, err := s.clientTLS()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{
		Endpoints: []string{s.ClientURL}, DialTimeout: 10 * time.Second, TLS: config,
		Context: context.Background(), MaxCallRecvMsgSize: 1 << 30,
	})
}
