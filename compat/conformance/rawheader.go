package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawHeader makes a unary call with a header that gRPC clients refuse to send:
//
//	raw-header NAME HEXVALUE /package.Service/Method HEXBODY
func rawHeader(s *session, words []string, d *directives) (string, error) {
	if len(words) < 3 {
		return "", errors.New("usage: raw-header NAME HEXVALUE /package.Service/Method HEXBODY")
	}
	value, err1 := hex.DecodeString(words[1])
	body, err2 := hex.DecodeString(strings.Join(words[3:], ""))
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	conn, err := net.Dial("tcp", s.server.Address())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(d.deadline)); err != nil {
		return "", err
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return "", err
	}
	message := append([]byte{0, 0, 0, 0, 0}, body...)
	binary.BigEndian.PutUint32(message[1:5], uint32(len(body)))
	err = errors.Join(framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, EndHeaders: true, BlockFragment: requestHeaders(words[2], words[0], string(value)),
	}), framer.WriteData(1, true, message))
	if err != nil {
		return "", err
	}
	return readTrailers(framer)
}

func requestHeaders(path, name, value string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "localhost"},
		{"content-type", "application/grpc"}, {"te", "trailers"}, {name, value},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	return block.Bytes()
}

// readTrailers reads until the stream ends; it gives the gRPC status.
func readTrailers(framer *http2.Framer) (string, error) {
	status := map[string]string{}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return "", err
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				status[field.Name] = field.Value
			}
			if f.StreamEnded() {
				return fmt.Sprintf("http %s, grpc-status %s %s", status[":status"],
					status["grpc-status"], status["grpc-message"]), nil
			}
		case *http2.RSTStreamFrame:
			return "stream reset: " + f.ErrCode.String(), nil
		case *http2.GoAwayFrame:
			return "connection closed: " + f.ErrCode.String(), nil
		}
	}
}
