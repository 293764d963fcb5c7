// Package etcdctl drives the real etcdctl and etcdutl against Keelson. Commands whose output is
// determined run on an etcd beside it, and the two outputs are compared.
package etcdctl

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"keelson/compat/harness"
)

const commandLimit = 30 * time.Second

// side is one server with the tool pointed at it and the names that differ between servers.
type side struct {
	server *harness.Server
	tool   string
	lease  string // the last one granted, in hex
	names  []string
}

func newSide(server *harness.Server) (*side, error) {
	tool, err := harness.Tool("etcdctl")
	if err != nil {
		return nil, err
	}
	conn, err := server.Dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	status, err := pb.NewMaintenanceClient(conn).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	member, cluster := status.Header.MemberId, status.Header.ClusterId
	return &side{server: server, tool: tool, names: []string{
		server.ClientURL, "CLIENT-URL", server.Address(), "CLIENT-ADDRESS", server.PeerURL, "PEER-URL",
		fmt.Sprint(member), "MEMBER", fmt.Sprintf("%x", member), "MEMBER",
		fmt.Sprint(cluster), "CLUSTER", fmt.Sprintf("%x", cluster), "CLUSTER",
	}}, nil
}

// command builds a call of etcdctl; the caller runs it.
func (s *side) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, s.tool, append([]string{"--endpoints=" + s.server.ClientURL}, arguments...)...)
	command.WaitDelay = 5 * time.Second
	return command
}

// call runs etcdctl and gives its exit code and output.
func (s *side) call(stdin string, arguments ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	command := s.command(ctx, arguments...)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return 0, "", fmt.Errorf("etcdctl %v: %w", arguments, err)
	}
	return command.ProcessState.ExitCode(), stdout.String() + stderr.String(), nil
}

var granted = regexp.MustCompile(`lease ([0-9a-f]{16}) granted`)

// step runs one command of a script and gives what it printed, with all that may differ masked.
func (s *side) step(stdin string, arguments []string) (string, error) {
	replaced := make([]string, len(arguments))
	for i, argument := range arguments {
		replaced[i] = strings.ReplaceAll(argument, "$LEASE", s.lease)
	}
	code, output, err := s.call(stdin, replaced...)
	if err != nil {
		return "", err
	}
	if found := granted.FindStringSubmatch(output); found != nil {
		s.lease = found[1]
	}
	return fmt.Sprintf("exit code %d\n%s", code, s.mask(output)), nil
}

// masks are the parts of outputs that depend on the moment or on the size of files.
var masks = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`took[ =:]+[0-9.]+(ns|µs|ms|s)`), "took TIME"},
	{regexp.MustCompile(`"took":"[^"]*"`), `"took":"TIME"`},
	{regexp.MustCompile(`[0-9.]+(ns|µs|ms) `), "TIME "},
	{regexp.MustCompile(`remaining\([0-9]+s\)`), "remaining(TIME)"},
	{regexp.MustCompile(`"ttl":(599|600|1|2)\b`), `"ttl":TTL`},
	{regexp.MustCompile(`"TTL" : (599|600|1|2)\b`), `"TTL" : TTL`},
	{regexp.MustCompile(`"ts":"[^"]*"`), `"ts":"TIME"`},
	{regexp.MustCompile(`LocalAddr: '[^']*'`), "LocalAddr"},
	{regexp.MustCompile(`(logger\.go|retry_interceptor\.go):[0-9]+`), "LINE"},
	{regexp.MustCompile(`"(dbSize|dbSizeInUse)":[0-9]+`), `"$1":SIZE`},
	{regexp.MustCompile(`"(DBSize|DBSizeInUse)" : [0-9]+`), `"$1" : SIZE`},
	{regexp.MustCompile(` +[0-9]+ kB`), " SIZE"},
	{regexp.MustCompile(` +[0-9]+%`), " PERCENT"},
	{regexp.MustCompile(`0x[0-9a-f]{9,}`), "POINTER"},
	{regexp.MustCompile(`"target":"[^"]*"`), `"target":"TARGET"`},
}

func (s *side) mask(output string) string {
	for i := 0; i < len(s.names); i += 2 {
		output = strings.ReplaceAll(output, s.names[i], s.names[i+1])
	}
	if s.lease != "" {
		output = strings.ReplaceAll(output, s.lease, "LEASE")
		output = strings.ReplaceAll(output, strings.TrimLeft(s.lease, "0"), "LEASE")
		var decimal int64
		if _, err := fmt.Sscanf(s.lease, "%x", &decimal); err == nil {
			output = strings.ReplaceAll(output, fmt.Sprint(decimal), "LEASE")
		}
	}
	for _, m := range masks {
		output = m.pattern.ReplaceAllString(output, m.with)
	}
	if strings.ContainsRune(output, '│') { // a table: its columns are as wide as what was masked
		output = widths.ReplaceAllString(output, "$1")
	}
	return output
}

var widths = regexp.MustCompile(`([ ─])[ ─]+`)
