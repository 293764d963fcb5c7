package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// stream is an open call that a script knows by name.
type stream struct {
	method   protoreflect.MethodDescriptor
	client   grpc.ClientStream
	cancel   context.CancelFunc
	messages chan proto.Message
	ended    chan struct{}
	end      error           // set before ended is closed
	last     map[int64]int64 // see watchLog
}

const (
	streamWait  = 10 * time.Second // for a message that must come
	streamQueue = 10000
)

// open starts a stream: open NAME Service.Method.
func open(s *session, words []string, d *directives) (string, error) {
	if len(words) != 2 || s.streams[words[0]] != nil {
		return "", errors.New("usage: open NEW_NAME Service.Method")
	}
	m, err := method(words[1])
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(
		metadata.NewOutgoingContext(context.Background(), d.metadataPairs))
	description := &grpc.StreamDesc{
		ServerStreams: m.IsStreamingServer(), ClientStreams: m.IsStreamingClient(),
	}
	client, err := s.conn.NewStream(ctx, description, path(m))
	if err != nil {
		cancel()
		return failure(err), nil
	}
	one := &stream{
		method: m, client: client, cancel: cancel,
		messages: make(chan proto.Message, streamQueue), ended: make(chan struct{}),
		last: map[int64]int64{},
	}
	s.streams[words[0]] = one
	go one.read()
	return "opened", nil
}

func (one *stream) read() {
	defer close(one.ended)
	for {
		answer, err := newMessage(one.method.Output())
		if err == nil {
			err = one.client.RecvMsg(answer)
		}
		if err != nil {
			one.end = err
			return
		}
		one.messages <- answer
	}
}

// next gives the next message, or nil at the end of the stream or of the patience.
func (one *stream) next(patience time.Duration) proto.Message {
	select {
	case m := <-one.messages:
		return m
	default:
	}
	select {
	case m := <-one.messages:
		return m
	case <-time.After(patience):
		return nil
	case <-one.ended:
		select { // what was read before the end comes first
		case m := <-one.messages:
			return m
		default:
			return nil
		}
	}
}

func (s *session) stream(words []string, wanted int) (*stream, error) {
	if len(words) != wanted {
		return nil, fmt.Errorf("takes %d words", wanted)
	}
	one := s.streams[words[0]]
	if one == nil {
		return nil, fmt.Errorf("no open stream %q", words[0])
	}
	return one, nil
}

// send sends one message in text form: send NAME TEXT.
func (s *session) send(rest string, _ *directives) (string, error) {
	name, text, _ := strings.Cut(rest, " ")
	one, err := s.stream([]string{name}, 1)
	if err != nil {
		return "", err
	}
	request, err := newMessage(one.method.Input())
	if err != nil {
		return "", err
	}
	if err := prototext.Unmarshal([]byte(text), request); err != nil {
		return "", err
	}
	if err := one.client.SendMsg(request); err != nil {
		return "send failed", nil
	}
	return "sent", nil
}

// receive waits for N items of a Watch stream, normalised: recv NAME N. An item is one event, or a
// response without events. How events share responses is the server's business.
func receive(s *session, words []string, d *directives) (string, error) {
	one, err := s.stream(words, 2)
	if err != nil {
		return "", err
	}
	wanted, err := strconv.Atoi(words[1])
	if err != nil {
		return "", err
	}
	log := &watchLog{printer: s.printer(d), last: one.last}
	for log.items < wanted {
		m := one.next(streamWait)
		if m == nil {
			return log.String() + one.missing(), nil
		}
		response, ok := m.(*pb.WatchResponse)
		if !ok {
			return "", errors.New("recv is for Watch; use recv-raw")
		}
		log.add(response)
	}
	return log.String(), nil
}

func (one *stream) missing() string {
	select {
	case <-one.ended:
		return "stream ended: " + one.outcome()
	default:
		return "nothing more came"
	}
}

func (one *stream) outcome() string {
	if errors.Is(one.end, io.EOF) {
		return "OK"
	}
	return failure(one.end)
}

// receiveRaw prints N messages as they come: recv-raw NAME N.
func receiveRaw(s *session, words []string, d *directives) (string, error) {
	one, err := s.stream(words, 2)
	if err != nil {
		return "", err
	}
	wanted, err := strconv.Atoi(words[1])
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for i := range wanted {
		m := one.next(streamWait)
		if m == nil {
			return out.String() + one.missing(), nil
		}
		if wanted > 1 {
			fmt.Fprintf(&out, "message %d\n", i+1)
		}
		if err := s.save(m, d); err != nil {
			return "", err
		}
		out.WriteString(s.printer(d).message(m) + "\n")
	}
	return out.String(), nil
}

// quiet shows what arrives on a Watch stream within a time, which should be nothing: quiet NAME 300ms.
func quiet(s *session, words []string, d *directives) (string, error) {
	one, err := s.stream(words, 2)
	if err != nil {
		return "", err
	}
	pause, err := time.ParseDuration(words[1])
	if err != nil {
		return "", err
	}
	log := &watchLog{printer: s.printer(d), last: one.last}
	for deadline := time.Now().Add(pause); ; {
		m := one.next(time.Until(deadline))
		if m == nil {
			break
		}
		if response, ok := m.(*pb.WatchResponse); ok {
			log.add(response)
			continue
		}
		log.note(-1, s.printer(d).message(m))
	}
	select {
	case <-one.ended:
		return log.String() + "stream ended: " + one.outcome(), nil
	default:
	}
	if log.items == 0 {
		return "nothing", nil
	}
	return log.String(), nil
}

// finish half-closes a stream and shows how the server ends it: end NAME.
func finish(s *session, words []string, d *directives) (string, error) {
	one, err := s.stream(words, 1)
	if err != nil {
		return "", err
	}
	_ = one.client.CloseSend()
	return s.awaitEnd(words[0], one, d)
}

// halfClose tells the server that nothing more will be sent, and goes on: half-close NAME.
func halfClose(s *session, words []string, _ *directives) (string, error) {
	one, err := s.stream(words, 1)
	if err != nil {
		return "", err
	}
	return "half-closed", one.client.CloseSend()
}

// ended waits until the server ends a stream of its own accord: ended NAME.
func ended(s *session, words []string, d *directives) (string, error) {
	one, err := s.stream(words, 1)
	if err != nil {
		return "", err
	}
	return s.awaitEnd(words[0], one, d)
}

func (s *session) awaitEnd(name string, one *stream, d *directives) (string, error) {
	defer one.cancel()
	delete(s.streams, name)
	var out strings.Builder
	for {
		m := one.next(streamWait)
		if m == nil {
			break
		}
		out.WriteString("unread: " + s.printer(d).message(m) + "\n")
	}
	return out.String() + one.missing(), nil
}

// cancelStream resets a stream from the client's side: cancel NAME.
func cancelStream(s *session, words []string, _ *directives) (string, error) {
	one, err := s.stream(words, 1)
	if err != nil {
		return "", err
	}
	one.cancel()
	delete(s.streams, words[0])
	return "cancelled", nil
}
