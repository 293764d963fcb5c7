package conformance

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"keelson/compat/harness"
)

// session is one run of a script against one server.
type session struct {
	server    *harness.Server
	conn      *grpc.ClientConn
	ids       identity
	former    []uint64 // members that this server was before restarts
	variables map[string]string
	streams   map[string]*stream
}

func newSession(server *harness.Server) (*session, error) {
	s := &session{
		server:    server,
		variables: map[string]string{"CLIENT_URL": server.ClientURL, "PEER_URL": server.PeerURL},
		streams:   map[string]*stream{},
	}
	return s, s.connect()
}

// firstMember is a variable for scripts to write; in answers it is a MEMBER like those after it.
const firstMember = "FIRST_MEMBER"

// connect dials and learns the server's identity; a restart must not change it. On a log in SQL the
// cluster stays, and each process is a member of its own.
func (s *session) connect() error {
	conn, err := s.server.Dial()
	if err != nil {
		return err
	}
	s.conn = conn
	ctx, cancel := context.WithTimeout(context.Background(), defaultDeadline)
	defer cancel()
	answer, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte{0}})
	if err != nil {
		return fmt.Errorf("no first answer: %w", err)
	}
	ids := identity{answer.GetHeader().GetClusterId(), answer.GetHeader().GetMemberId()}
	same := s.ids == ids
	if s.server.Kind == harness.SQLite || s.server.Kind == harness.Postgres {
		same = s.ids.cluster == ids.cluster
		s.former = append(s.former, s.ids.member)
	}
	if ids.cluster == 0 || ids.member == 0 || (s.ids != identity{} && !same) {
		return fmt.Errorf("the server's ids are %v, were %v", ids, s.ids)
	}
	s.ids = ids
	s.variables["MEMBER"] = strconv.FormatUint(ids.member, 10)
	if s.variables[firstMember] == "" {
		s.variables[firstMember] = s.variables["MEMBER"]
	}
	s.variables["CLUSTER"] = strconv.FormatUint(ids.cluster, 10)
	return nil
}

func (s *session) close() {
	for _, one := range s.streams {
		one.cancel()
	}
	s.streams = map[string]*stream{}
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// run executes a command and returns its normalised output; a mistake in the script is an error.
func (s *session) run(c *Command) (string, error) {
	d, err := parseDirectives(c.Directives)
	if err != nil {
		return "", err
	}
	text, err := expand(c.Text, s.variables)
	if err != nil {
		return "", err
	}
	verb, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	var out string
	if control, ok := controls[verb]; ok {
		out, err = control(s, strings.Fields(rest), d)
	} else if verb == "send" {
		out, err = s.send(rest, d)
	} else {
		out, err = s.call(verb, rest, d)
	}
	return s.hide(out), err
}

// hide puts names in the place of what differs from run to run.
func (s *session) hide(text string) string {
	names := make([]string, 0, len(s.variables))
	for name := range s.variables {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if value := s.variables[name]; len(value) >= 6 && name != firstMember {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	// A member's id may be short, so elsewhere it is only replaced whole (see printer).
	for _, member := range append(s.former, s.ids.member) {
		text = strings.ReplaceAll(text, fmt.Sprintf("memberID:%d ", member), "memberID:$MEMBER ")
	}
	// The protobuf library writes this space in one of two forms, by a hash of the program.
	text = strings.ReplaceAll(text, "proto:\u00a0", "proto: ")
	return strings.TrimRight(text, "\n")
}

func (s *session) printer(d *directives) *printer {
	return &printer{ids: s.ids, masks: d.masks, unordered: d.unordered, near: d.near}
}

func (s *session) context(d *directives) (context.Context, context.CancelFunc) {
	ctx := metadata.NewOutgoingContext(context.Background(), d.metadataPairs)
	return context.WithTimeout(ctx, d.deadline)
}

func (s *session) call(name, text string, d *directives) (string, error) {
	m, err := method(name)
	if err != nil {
		return "", err
	}
	request, err := newMessage(m.Input())
	if err != nil {
		return "", err
	}
	if err := prototext.Unmarshal([]byte(text), request); err != nil {
		return "", err
	}
	if m.IsStreamingClient() {
		return "", fmt.Errorf("%s needs open and send", name)
	}
	ctx, cancel := s.context(d)
	defer cancel()
	if m.IsStreamingServer() {
		return s.serverStream(ctx, m, request, d)
	}
	answer, err := newMessage(m.Output())
	if err != nil {
		return "", err
	}
	if err := s.conn.Invoke(ctx, path(m), request, answer); err != nil {
		return failure(err), nil
	}
	settleTies(answer, d.ties)
	if err := s.save(answer, d); err != nil {
		return "", err
	}
	return s.printer(d).message(answer), nil
}

func (s *session) serverStream(ctx context.Context, m protoreflect.MethodDescriptor,
	request proto.Message, d *directives) (string, error) {
	description := &grpc.StreamDesc{ServerStreams: true}
	client, err := s.conn.NewStream(ctx, description, path(m))
	if err != nil {
		return failure(err), nil
	}
	if err := errors.Join(client.SendMsg(request), client.CloseSend()); err != nil {
		return failure(err), nil
	}
	var all []proto.Message
	end := "end: OK"
	for {
		answer, err := newMessage(m.Output())
		if err != nil {
			return "", err
		}
		if err := client.RecvMsg(answer); err != nil {
			if !errors.Is(err, io.EOF) {
				end = failure(err)
			}
			break
		}
		all = append(all, answer)
	}
	switch {
	case d.merge:
		return s.printer(d).mergeRanges(all) + end, nil
	case d.shape:
		return describeSnapshot(all) + end, nil
	}
	var out strings.Builder
	for i, one := range all {
		fmt.Fprintf(&out, "message %d\n%s\n", i+1, s.printer(d).message(one))
	}
	return out.String() + end, nil
}

// save keeps fields of an answer as variables.
func (s *session) save(answer proto.Message, d *directives) error {
	for name, where := range d.saves {
		m := answer.ProtoReflect()
		parts := strings.Split(where, ".")
		for i, part := range parts {
			f := m.Descriptor().Fields().ByName(protoreflect.Name(part))
			if f == nil {
				return fmt.Errorf("no field %q", where)
			}
			if i == len(parts)-1 {
				s.variables[name] = m.Get(f).String()
				break
			}
			m = m.Get(f).Message()
		}
	}
	return nil
}

func failure(err error) string {
	st := status.Convert(err)
	return fmt.Sprintf("error: %s %s", st.Code(), st.Message())
}

// rawCodec sends and keeps bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// raw calls a method by its full path with bytes in hex, however malformed.
func raw(s *session, words []string, d *directives) (string, error) {
	if len(words) < 1 {
		return "", errors.New("usage: raw /package.Service/Method HEX")
	}
	request, err := hex.DecodeString(strings.Join(words[1:], ""))
	if err != nil {
		return "", err
	}
	ctx, cancel := s.context(d)
	defer cancel()
	var answer []byte
	if err := s.conn.Invoke(ctx, words[0], &request, &answer, grpc.ForceCodec(rawCodec{})); err != nil {
		return failure(err), nil
	}
	return "ok", nil
}

func sleep(_ *session, words []string, _ *directives) (string, error) {
	if len(words) != 1 {
		return "", errors.New("usage: sleep DURATION")
	}
	pause, err := time.ParseDuration(words[0])
	time.Sleep(pause)
	return "done", err
}
