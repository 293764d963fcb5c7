package harness

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy stands between Keelson and its PostgreSQL and breaks the line when it is told to. It reads the
// protocol, so it can break it exactly where the outcome of a commit becomes unknown. Safe for
// concurrent use.
type Proxy struct {
	Port     int
	target   string
	listener net.Listener

	lock  sync.Mutex
	moved *sync.Cond // held or closed has changed
	links map[*link]bool
	held  bool
	deaf  bool // new connections are closed at once
	done  bool
	bytes int64 // until all is cut; below 0: never
	trap  *trap
}

// CutPoint is where a trap breaks the connection that commits.
type CutPoint int

const (
	// BeforeCommit drops the message that would commit: the transaction is lost.
	BeforeCommit CutPoint = iota
	// AfterCommit drops the answer to it: the transaction is durable and its client does not know.
	AfterCommit
)

func (c CutPoint) String() string {
	return [...]string{"before commit", "after commit"}[c]
}

type trap struct {
	at     CutPoint
	sprung chan struct{}
}

// NewProxy forwards a free loopback port to a port of the same machine.
func NewProxy(target int) (*Proxy, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	p := &Proxy{Port: port, target: fmt.Sprintf("127.0.0.1:%d", target), listener: listener,
		links: map[*link]bool{}, bytes: -1}
	p.moved = sync.NewCond(&p.lock)
	go p.accept()
	return p, nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go p.join(client)
	}
}

func (p *Proxy) join(client net.Conn) {
	p.lock.Lock()
	deaf := p.deaf || p.done
	p.lock.Unlock()
	if deaf {
		_ = client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server}
	p.lock.Lock()
	p.links[l] = true
	p.lock.Unlock()
	go l.fromServer()
	l.fromClient()
}

// Cut breaks every connection at once, with what is under way.
func (p *Proxy) Cut() {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.cutLocked()
}

func (p *Proxy) cutLocked() {
	for l := range p.links {
		l.close()
	}
	p.moved.Broadcast()
}

// CutAfter breaks every connection once so many more bytes have passed, whichever way.
func (p *Proxy) CutAfter(bytes int64) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.bytes = bytes
}

// Hold lets nothing pass either way until Release; connections stay open, and new ones are made.
func (p *Proxy) Hold() { p.set(&p.held, true) }

// Release ends Hold.
func (p *Proxy) Release() { p.set(&p.held, false) }

// Refuse closes new connections at once, until it is told otherwise.
func (p *Proxy) Refuse(on bool) { p.set(&p.deaf, on) }

func (p *Proxy) set(flag *bool, on bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	*flag = on
	p.moved.Broadcast()
}

// CutAtCommit breaks the next connection that commits an append to Keelson's log. The channel is closed
// when it has.
func (p *Proxy) CutAtCommit(at CutPoint) <-chan struct{} {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.trap = &trap{at: at, sprung: make(chan struct{})}
	return p.trap.sprung
}

// Disarm forgets a trap that did not spring and a count that did not run out.
func (p *Proxy) Disarm() {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.trap, p.bytes = nil, -1
}

// spring tells whether the trap is set for this point, and takes it.
func (p *Proxy) spring(at CutPoint) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.trap == nil || p.trap.at != at {
		return false
	}
	close(p.trap.sprung)
	p.trap = nil
	return true
}

// pass waits while traffic is held, and counts; it gives how many of the bytes may go on.
func (p *Proxy) pass(l *link, size int) int {
	p.lock.Lock()
	defer p.lock.Unlock()
	for p.held && !p.done && p.links[l] && !l.closed {
		p.moved.Wait()
	}
	if p.bytes < 0 {
		return size
	}
	allowed := min(int64(size), p.bytes)
	p.bytes -= allowed
	if allowed < int64(size) {
		p.bytes = -1
		defer p.cutLocked()
	}
	return int(allowed)
}

func (p *Proxy) leave(l *link) {
	p.lock.Lock()
	defer p.lock.Unlock()
	l.close()
	delete(p.links, l)
	p.moved.Broadcast()
}

// Close ends it and every connection.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.lock.Lock()
	defer p.lock.Unlock()
	p.done = true
	p.cutLocked()
}
