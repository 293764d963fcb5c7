package etcdctl

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const lineLimit = 20 * time.Second

// stream is a running etcdctl whose lines are read one by one.
type stream struct {
	command *exec.Cmd
	cancel  context.CancelFunc
	stdin   io.WriteCloser
	lines   chan string
}

func (s *side) open(t *testing.T, arguments ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &stream{command: s.command(ctx, arguments...), cancel: cancel, lines: make(chan string, 1000)}
	var err error
	if out.stdin, err = out.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	out.command.Stdout, out.command.Stderr = writer, writer
	if err := out.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(out.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			out.lines <- scanner.Text()
		}
	}()
	go func() {
		_ = out.command.Wait()
		_ = writer.Close()
	}()
	t.Cleanup(func() {
		cancel()
		for range out.lines {
		}
	})
	return out
}

// take reads `n` lines.
func (s *stream) take(t *testing.T, n int) []string {
	t.Helper()
	var got []string
	timer := time.After(lineLimit)
	for len(got) < n {
		select {
		case line, open := <-s.lines:
			if !open {
				t.Fatalf("ended after %q, expected %d lines", got, n)
			}
			got = append(got, line)
		case <-timer:
			t.Fatalf("got %q, expected %d lines", got, n)
		}
	}
	return got
}

func (s *stream) expect(t *testing.T, want ...string) {
	t.Helper()
	got := s.take(t, len(want))
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// quiet expects no further line for a while.
func (s *stream) quiet(t *testing.T) {
	t.Helper()
	select {
	case line := <-s.lines:
		t.Fatalf("unexpected line %q", line)
	case <-time.After(300 * time.Millisecond):
	}
}

func (s *side) must(t *testing.T, arguments ...string) string {
	t.Helper()
	code, output, err := s.call("", arguments...)
	if err != nil || code != 0 {
		t.Fatalf("etcdctl %v: exit code %d, %v\n%s", arguments, code, err, output)
	}
	return output
}

// onBoth runs a case on both servers with the same expectations, so that etcd confirms them.
func onBoth(t *testing.T, test func(t *testing.T, s *side)) {
	for _, s := range pair(t) {
		t.Run(string(s.server.Kind), func(t *testing.T) { test(t, s) })
	}
}

func TestWatch(t *testing.T) {
	onBoth(t, func(t *testing.T, s *side) {
		s.must(t, "put", "w/1", "one")
		s.must(t, "put", "w/2", "two")
		s.must(t, "put", "w/1", "uno")

		history := s.open(t, "watch", "w/", "--prefix", "--rev=2")
		history.expect(t, "PUT", "w/1", "one", "PUT", "w/2", "two", "PUT", "w/1", "uno")
		single := s.open(t, "watch", "w/1", "--rev=3", "--prev-kv")
		single.expect(t, "PUT", "w/1", "one", "w/1", "uno")
		ranged := s.open(t, "watch", "w/2", "w/9", "--rev=1")
		ranged.expect(t, "PUT", "w/2", "two")

		s.must(t, "del", "w/", "--prefix")
		history.expect(t, "DELETE", "w/1", "", "DELETE", "w/2", "")
		single.expect(t, "DELETE", "w/1", "uno", "w/1", "")
		ranged.expect(t, "DELETE", "w/2", "")
		s.must(t, "put", "elsewhere", "x")
		history.quiet(t)

		s.must(t, "put", "solo", "1")
		child := s.open(t, "watch", "solo", "--rev=7", "--", "sh", "-c", "echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE")
		child.expect(t, `PUT`, `solo`, `1`, `"PUT" "solo" "1"`)
	})
}

func TestWatchAcrossCompaction(t *testing.T) {
	onBoth(t, func(t *testing.T, s *side) {
		for i := range 5 {
			s.must(t, "put", "a", fmt.Sprint(i))
		}
		s.must(t, "compaction", "4")
		late := s.open(t, "watch", "a", "--rev=3")
		if line := late.take(t, 1)[0]; !strings.Contains(line, "required revision has been compacted") {
			t.Fatalf("got %q", line)
		}
		s.open(t, "watch", "a", "--rev=4").expect(t, "PUT", "a", "2", "PUT", "a", "3", "PUT", "a", "4")
	})
}

func TestInteractiveWatchAndProgress(t *testing.T) {
	onBoth(t, func(t *testing.T, s *side) {
		w := s.open(t, "watch", "-i")
		say := func(text string) {
			t.Helper()
			if _, err := io.WriteString(w.stdin, text+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		say("watch a")
		say("watch --prefix b/")
		time.Sleep(300 * time.Millisecond) // both watches exist
		s.must(t, "put", "a", "1")
		w.expect(t, "PUT", "a", "1")
		say("progress")
		w.expect(t, "progress notify: 2", "progress notify: 2") // one for each watch
		s.must(t, "put", "b/1", "2")
		w.expect(t, "PUT", "b/1", "2")
		s.must(t, "put", "other", "2")
		say("progress")
		w.expect(t, "progress notify: 4", "progress notify: 4")
	})
}

func TestProgressNotify(t *testing.T) {
	for _, s := range pairWith(t, "--watch-progress-notify-interval=1s") {
		t.Run(string(s.server.Kind), func(t *testing.T) {
			w := s.open(t, "watch", "a", "--progress-notify")
			w.expect(t, "progress notify: 1")
			s.must(t, "put", "b", "1")
			w.expect(t, "progress notify: 2")
		})
	}
}

func TestKeepAliveAndExpiry(t *testing.T) {
	onBoth(t, func(t *testing.T, s *side) {
		lease := granted.FindStringSubmatch(s.must(t, "lease", "grant", "2"))[1]
		s.must(t, "put", "mortal", "x", "--lease="+lease)
		w := s.open(t, "watch", "mortal")
		alive := s.open(t, "lease", "keep-alive", lease)
		for range 5 { // about a third of the TTL apart
			alive.expect(t, fmt.Sprintf("lease %s keepalived with TTL(2)", lease))
		}
		if got := s.must(t, "get", "mortal"); got != "mortal\nx\n" {
			t.Fatalf("got %q", got)
		}
		alive.cancel()
		w.expect(t, "DELETE", "mortal", "")
		if got := s.must(t, "lease", "timetolive", lease); got != fmt.Sprintf("lease %s already expired\n", lease) {
			t.Fatalf("got %q", got)
		}
	})
}
