package harness

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"regexp"
	"sync"
)

// link is one connection through a proxy. It follows version 3 of PostgreSQL's protocol as far as it
// must to know when a transaction that appends to the log commits.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	closed         bool // under the proxy's lock

	lock     sync.Mutex
	started  bool              // the start-up packet has passed: messages have types
	prepared map[string]string // SQL of the prepared statements
	idle     bool              // outside of a transaction, by the server's last word
	appends  bool              // this transaction writes to the log
}

var (
	// appendSQL is how a batch gets its place in the log.
	appendSQL = regexp.MustCompile(`(?is)insert\s+into\s+(\S+\.)?"?log"?[\s(]`)
	commitSQL = regexp.MustCompile(`(?is)(^|;)\s*(commit|end)\b`)
	beginSQL  = regexp.MustCompile(`(?is)^\s*(begin|start\s+transaction)\b`)
)

const (
	protocolVersion3 = 3 << 16
	largestMessage   = 1 << 30
)

// close breaks the connection so that the other side sees a reset. The proxy's lock is held.
func (l *link) close() {
	if l.closed {
		return
	}
	l.closed = true
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// send forwards as much as the proxy allows.
func (l *link) send(to net.Conn, data []byte) bool {
	n := l.proxy.pass(l, len(data))
	if n > 0 {
		if _, err := to.Write(data[:n]); err != nil {
			return false
		}
	}
	return n == len(data)
}

// readMessage gives one whole message; `typed` says whether a type byte is in front.
func readMessage(from *bufio.Reader, typed bool) ([]byte, error) {
	head := 4
	if typed {
		head = 5
	}
	start, err := from.Peek(head)
	if err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(start[head-4:])) + head - 4
	if length < head || length > largestMessage {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, length)
	_, err = io.ReadFull(from, message)
	return message, err
}

func (l *link) hasStarted() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.started
}

func (l *link) fromClient() {
	defer l.proxy.leave(l)
	reader := bufio.NewReaderSize(l.client, 1<<16)
	for {
		typed := l.hasStarted()
		message, err := readMessage(reader, typed)
		if err != nil {
			return
		}
		if !typed && len(message) >= 8 && binary.BigEndian.Uint32(message[4:]) == protocolVersion3 {
			l.lock.Lock()
			l.started, l.idle, l.prepared = true, true, map[string]string{}
			l.lock.Unlock()
		}
		if typed && l.commits(message) && l.proxy.spring(BeforeCommit) {
			return
		}
		if !l.send(l.server, message) {
			return
		}
	}
}

// cString cuts a text that ends with a zero byte off.
func cString(data []byte) (string, []byte) {
	text, rest, _ := bytes.Cut(data, []byte{0})
	return string(text), rest
}

// commits notes what a client's message does, and tells whether it ends a transaction that appends.
func (l *link) commits(message []byte) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	var sql string
	switch body := message[5:]; message[0] {
	case 'Q':
		sql, _ = cString(body)
	case 'P':
		name, rest := cString(body)
		l.prepared[name], _ = cString(rest)
		return false
	case 'B':
		_, rest := cString(body)
		name, _ := cString(rest)
		sql = l.prepared[name]
	default:
		return false
	}
	l.appends = l.appends || appendSQL.MatchString(sql)
	if !l.appends {
		return false
	}
	return commitSQL.MatchString(sql) || (l.idle && !beginSQL.MatchString(sql))
}

func (l *link) fromServer() {
	defer l.proxy.leave(l)
	reader := bufio.NewReaderSize(l.server, 1<<16)
	raw := make([]byte, 1)
	for !l.hasStarted() { // answers to a wish for TLS are single bytes
		if _, err := reader.Peek(1); err != nil {
			return
		}
		if l.hasStarted() {
			break
		}
		if _, err := io.ReadFull(reader, raw); err != nil || !l.send(l.client, raw) {
			return
		}
	}
	var answers []byte // of a transaction that appends, until it is known whether it has ended
	for {
		message, err := readMessage(reader, true)
		if err != nil {
			return
		}
		answers = append(answers, message...)
		ready := message[0] == 'Z' && len(message) == 6
		if !ready && l.isAppending() {
			continue
		}
		if ready && l.ended(message[5] == 'I') && l.proxy.spring(AfterCommit) {
			return
		}
		if !l.send(l.client, answers) {
			return
		}
		answers = answers[:0]
	}
}

func (l *link) isAppending() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.appends
}

// ended notes the server's word on the transaction, and tells whether one that appended has ended.
func (l *link) ended(idle bool) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	out := idle && l.appends
	l.idle = idle
	if idle {
		l.appends = false
	}
	return out
}
