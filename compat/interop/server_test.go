// Package interop holds our transport against grpc-go's own interoperability cases and h2spec.
// INTEROP_SERVER names another binary of the C++ target interop_server than the release build's.
package interop

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"keelson/compat/harness"
)

// server is one running interop_server.
type server struct {
	cmd            *exec.Cmd
	plainPort      int
	tlsPort        int
	clientTLS      *tls.Config
	closeInput     func() error
	plain, overTLS string // addresses
}

// start runs interop_server and ends it with the test.
func start(t *testing.T) *server {
	t.Helper()
	binary := os.Getenv("INTEROP_SERVER")
	if binary == "" {
		binary = "../../build/release/tests/shim/transport/interop_server"
	}
	files, err := harness.NewTLS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	clientTLS, err := files.ClientConfig(false)
	if err != nil {
		t.Fatal(err)
	}
	clientTLS.ServerName = "localhost"
	s := &server{cmd: exec.Command(binary, files.ServerCert, files.ServerKey), clientTLS: clientTLS}
	input, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.closeInput = input.Close
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.closeInput()
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("interop_server: %v", err)
		}
	})
	lines := bufio.NewReader(output)
	for _, scan := range []struct {
		format string
		into   *int
	}{{"plain %d\n", &s.plainPort}, {"tls %d\n", &s.tlsPort}} {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(line, scan.format, scan.into); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	s.plain = fmt.Sprintf("127.0.0.1:%d", s.plainPort)
	s.overTLS = fmt.Sprintf("127.0.0.1:%d", s.tlsPort)
	return s
}

// dial connects by plaintext or TLS; extra options come last.
func (s *server) dial(t *testing.T, secure bool, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	address, transport := s.plain, insecure.NewCredentials()
	if secure {
		address, transport = s.overTLS, credentials.NewTLS(s.clientTLS)
	}
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(transport)}, options...)
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
