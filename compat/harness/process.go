package harness

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child that dies with us: the kernel kills it when the thread that started it ends,
// and that thread is locked to a goroutine that lives as long as the child.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended and its output is in the log
	seen    chan struct{} // pulsed at every line

	lock  sync.Mutex
	lines []string // of this run, until the awaited one was seen
	quiet bool     // nobody waits for a line any more
}

func start(arguments, env []string, logFile string) (*process, error) {
	return startAs(nil, arguments, env, logFile)
}

// startAs starts a child as another user; nil is ours.
func startAs(user *syscall.Credential, arguments, env []string, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Env = append(os.Environ(), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: user}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	command.Stdout, command.Stderr = writer, writer
	p := &process{command: command, done: make(chan struct{}), seen: make(chan struct{}, 1)}
	copied := make(chan struct{})
	go p.copyLines(reader, log, copied)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := command.Start()
		_ = writer.Close()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
		<-copied
		close(p.done)
	}()
	return p, <-started
}

func (p *process) copyLines(from io.ReadCloser, log io.WriteCloser, copied chan<- struct{}) {
	defer close(copied)
	defer from.Close()
	defer log.Close()
	reader := bufio.NewReaderSize(from, 1<<16)
	for {
		line, err := reader.ReadString('\n')
		_, _ = io.WriteString(log, line)
		p.lock.Lock()
		if !p.quiet {
			p.lines = append(p.lines, line)
		}
		p.lock.Unlock()
		select {
		case p.seen <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// has tells whether a line held `text`, and forgets the lines read so far.
func (p *process) has(text string) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	found := false
	for _, line := range p.lines {
		found = found || strings.Contains(line, text)
	}
	p.lines, p.quiet = nil, found
	return found
}

func (p *process) waitFor(text string, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for !p.has(text) {
		select {
		case <-p.seen:
		case <-p.done:
			return fmt.Errorf("ended before it was ready: %s", p.command.ProcessState)
		case <-timer.C:
			return fmt.Errorf("not ready within %s", limit)
		}
	}
	return nil
}

func (p *process) signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) }

func (p *process) ended(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}
