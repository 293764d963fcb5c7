package harness

import (
	"fmt"
	"syscall"
	"time"
)

// Daemon is any other program that a test needs to run for a while; it ends with the test's process.
type Daemon struct{ process *process }

// StartDaemon runs a command; its output goes to the end of `logFile`.
func StartDaemon(arguments []string, logFile string) (*Daemon, error) {
	p, err := start(arguments, nil, logFile)
	if err != nil {
		return nil, err
	}
	p.lock.Lock()
	p.lines, p.quiet = nil, true // nobody waits for a line
	p.lock.Unlock()
	return &Daemon{p}, nil
}

// Pid is the process's id.
func (d *Daemon) Pid() int { return d.process.command.Process.Pid }

// Exited is closed once it has ended.
func (d *Daemon) Exited() <-chan struct{} { return d.process.done }

// Ending tells how it ended, once it has.
func (d *Daemon) Ending() string { return d.process.command.ProcessState.String() }

// Stop asks it to end; after `limit` it is killed, which is an error.
func (d *Daemon) Stop(limit time.Duration) error {
	d.process.signal(syscall.SIGTERM)
	if d.process.ended(limit) {
		return nil
	}
	d.Kill()
	return fmt.Errorf("harness: did not end within %s of SIGTERM", limit)
}

// Kill ends it by SIGKILL and waits until it is gone.
func (d *Daemon) Kill() {
	d.process.signal(syscall.SIGKILL)
	d.process.ended(20 * time.Second)
}
