package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// controls are the commands that are not RPCs by name. `send` is apart, for it takes free text.
var controls = map[string]func(*session, []string, *directives) (string, error){
	"raw":        raw,
	"raw-header": rawHeader,
	"sleep":      sleep,
	"open":       open,
	"recv":       receive,
	"recv-raw":   receiveRaw,
	"quiet":      quiet,
	"end":        finish,
	"half-close": halfClose,
	"ended":      ended,
	"cancel":     cancelStream,
	"load":       load,
	"restart":    restart,
	"kill":       kill,
}

// load puts N keys PREFIX0000, PREFIX0001, ... with values of SIZE bytes: load PREFIX N SIZE.
func load(s *session, words []string, _ *directives) (string, error) {
	if len(words) != 3 {
		return "", errors.New("usage: load PREFIX N SIZE")
	}
	n, err1 := strconv.Atoi(words[1])
	size, err2 := strconv.Atoi(words[2])
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	client := pb.NewKVClient(s.conn)
	var revision int64
	for i := range n {
		ctx, cancel := context.WithTimeout(context.Background(), defaultDeadline)
		answer, err := client.Put(ctx, &pb.PutRequest{
			Key: fmt.Appendf(nil, "%s%04d", words[0], i), Value: []byte(strings.Repeat("x", size)),
		})
		cancel()
		if err != nil {
			return failure(err), nil
		}
		revision = answer.Header.Revision
	}
	return fmt.Sprintf("revision:%d", revision), nil
}

// restart stops the server (SIGTERM) and starts it on the same folder.
func restart(s *session, _ []string, _ *directives) (string, error) {
	s.close()
	if err := s.server.Restart(); err != nil {
		return "", err
	}
	return "restarted", s.connect()
}

// kill ends the server by SIGKILL and starts it on the same folder.
func kill(s *session, _ []string, _ *directives) (string, error) {
	s.close()
	s.server.Kill()
	if err := s.server.Start(); err != nil {
		return "", err
	}
	return "killed and started", s.connect()
}
