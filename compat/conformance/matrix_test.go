package conformance

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keelson/compat/harness"
)

// matrix reads compat/MATRIX.md: the state of every RPC.
func matrix(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open(filepath.Join(harness.Root(), "compat", "MATRIX.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	states := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		cells := strings.Split(lines.Text(), "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "/") {
			continue
		}
		states["/"+strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[2])
	}
	if len(states) < 50 {
		t.Fatalf("MATRIX.md lists only %d RPCs", len(states))
	}
	return states
}

// TestMatrix holds MATRIX.md against the running server: what it calls UNIMPLEMENTED answers so, by
// name, and what it calls built never does.
func TestMatrix(t *testing.T) {
	if *rewrite {
		return
	}
	server := harness.Start(t, harness.Options{Kind: harness.Memory})
	conn := harness.MustDial(t, server)
	for path, state := range matrix(t) {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			err := firstAnswer(conn, path)
			got := status.Convert(err)
			service, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
			switch state {
			case "built":
				if got.Code() == codes.Unimplemented {
					t.Fatalf("is built, but answers %v", err)
				}
			case "UNIMPLEMENTED":
				if got.Code() != codes.Unimplemented {
					t.Fatalf("is not built, but answers %v", err)
				}
				if !strings.Contains(got.Message(), name) || !strings.Contains(got.Message(), service) {
					t.Fatalf("does not name the method: %v", err)
				}
			default:
				t.Fatalf("unknown state %q", state)
			}
		})
	}
}

// firstAnswer sends one empty message and half-closes; it gives the first error, or nil after a
// message or a second of silence (a stream that waits for more is built).
func firstAnswer(conn *grpc.ClientConn, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	client, err := conn.NewStream(ctx, description, path, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return err
	}
	empty := []byte{}
	if err := client.SendMsg(&empty); err == nil {
		_ = client.CloseSend()
	}
	var answer []byte
	err = client.RecvMsg(&answer)
	if status.Code(err) == codes.DeadlineExceeded {
		return nil
	}
	return err
}
