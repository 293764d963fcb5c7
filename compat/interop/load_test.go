package interop

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// residentKiB of a process.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// Each connection has one stream that has carried a message and is idle now, as a watch.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const connections, limitKiB = 2000, 64
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plaintext", true: "tls"}[secure], func(t *testing.T) {
			s := start(t)
			ctx := timeout(t, 120*time.Second)
			request := &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 1000}}}
			open := func() {
				client := testgrpc.NewTestServiceClient(s.dial(t, secure, grpc.WithSharedWriteBuffer(true)))
				stream, err := client.FullDuplexCall(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(request); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			for range 10 {
				open()
			}
			before := residentKiB(t, s.cmd.Process.Pid)
			for range connections {
				open()
			}
			each := float64(residentKiB(t, s.cmd.Process.Pid)-before) / connections
			t.Logf("%.1f KiB for each connection", each)
			if each > limitKiB {
				t.Errorf("%.1f KiB for each connection, more than %d", each, limitKiB)
			}
		})
	}
}

// A client that gives its server 100 ms to acknowledge a PING keeps its connection while other
// connections make the server as busy as they can. Its activity pauses let the PINGs happen: grpc-go
// sends one after ten seconds of silence at the earliest.
func TestKeepAliveUnderLoad(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	conn := s.dial(t, false, grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time: 10 * time.Second, Timeout: 100 * time.Millisecond,
	}))
	idle, err := testgrpc.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	var load sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		client := testgrpc.NewTestServiceClient(s.dial(t, false))
		for range 8 {
			load.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 100000}); err != nil {
						t.Error(err)
						return
					}
					calls.Add(1)
				}
			})
		}
	}
	seconds := 22
	if testing.Short() {
		seconds = 12 // one PING
	}
	for range seconds {
		time.Sleep(time.Second)
		if state := conn.GetState(); state != connectivity.Ready {
			t.Errorf("the connection is %v", state)
			break
		}
	}
	close(stop)
	load.Wait()
	request := &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 1}}}
	if err := idle.Send(request); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Recv(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls beside it", calls.Load())
}
