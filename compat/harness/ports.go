package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports lie below Linux's range for outgoing connections (32768 and up): a server that is down for a
// restart must not find its port taken by some client's connection.
const (
	firstPort = 12000
	lastPort  = 32000
)

var (
	portLock  sync.Mutex
	portsUsed = map[int]bool{}
)

// FreePort gives a loopback port that nothing listens on and that this process has not given before.
func FreePort() (int, error) {
	portLock.Lock()
	defer portLock.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if portsUsed[port] {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		portsUsed[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("harness: no free port between %d and %d", firstPort, lastPort)
}
