package harness

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"google.golang.org/grpc"
)

// Start starts a server for a test in a folder of the test's own (unless options name one). It is
// killed when the test ends; if the test failed, the end of its log is shown.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", s.Kind, s.LogTail(3000))
		}
	})
	return s
}

// Seed is a fresh seed, or the one in KEELSON_SEED. It chooses what a test does, not what the machine makes
// of it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("KEELSON_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("KEELSON_SEED=%d", seed)
	return seed
}

// Turn picks one of several kinds by a seed; the full form of a suite takes them all.
func Turn(t testing.TB, seed uint64, kinds ...Kind) []Kind {
	t.Helper()
	if Proving() {
		return kinds
	}
	chosen := kinds[seed%uint64(len(kinds))]
	t.Logf("on %s, by the seed %d", chosen, seed)
	return []Kind{chosen}
}

// MustDial is Dial for a test; the connection closes with the test.
func MustDial(t testing.TB, s *Server) *grpc.ClientConn {
	t.Helper()
	conn, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
