package harness

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestServerKeepsItsDataOverStopAndKill(t *testing.T) {
	s := Start(t, Options{Kind: Etcd})
	for i, restart := range []func() error{
		s.Restart,
		func() error { s.Kill(); return s.Start() },
	} {
		client, err := s.Client()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Put(context.Background(), "key", strings.Repeat("x", i+1)); err != nil {
			t.Fatal(err)
		}
		if err := restart(); err != nil {
			t.Fatal(err)
		}
		answer, err := client.Get(context.Background(), "key")
		if err != nil || len(answer.Kvs) != 1 || len(answer.Kvs[0].Value) != i+1 {
			t.Fatalf("after restart %d: %v %v", i, answer, err)
		}
		_ = client.Close()
	}
	if !strings.Contains(s.Log(), readyLine) {
		t.Fatal("the log lacks the ready line")
	}
}

func TestTLS(t *testing.T) {
	certs, err := NewTLS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certs.ClientAuth = true
	s := Start(t, Options{Kind: Etcd, TLS: certs})
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Put(context.Background(), "key", "value"); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatEndsEarlyIsAnError(t *testing.T) {
	_, err := New(Options{Kind: Etcd, Dir: t.TempDir(), Flags: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready") {
		t.Fatalf("got %v", err)
	}
}

func TestAMissingToolIsAnError(t *testing.T) {
	t.Setenv("KEELSON_TOOLS", t.TempDir())
	if _, err := Tool("etcd"); err == nil {
		t.Fatal("no error")
	}
	plain := filepath.Join(t.TempDir(), "keelson")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KEELSON_BIN", plain)
	if _, err := KeelsonBinary(); err == nil {
		t.Fatal("no error")
	}
}

func TestExitedTellsOfADeath(t *testing.T) {
	s := Start(t, Options{Kind: Etcd})
	select {
	case <-s.Exited():
		t.Fatal("exited at once")
	default:
	}
	s.Signal(syscall.SIGKILL)
	select {
	case <-s.Exited():
	case <-time.After(10 * time.Second):
		t.Fatal("death not seen")
	}
}
