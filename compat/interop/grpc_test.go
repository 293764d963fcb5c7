package interop

import (
	"bytes"
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// The cases end the process when they fail (that is how grpc-go wrote them).
func TestGrpcGoCases(t *testing.T) {
	s := start(t)
	type run func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)
	cases := []struct {
		name string
		run  run
	}{
		{"empty_unary", interop.DoEmptyUnaryCall},
		{"large_unary", interop.DoLargeUnaryCall},
		{"client_streaming", interop.DoClientStreaming},
		{"server_streaming", interop.DoServerStreaming},
		{"ping_pong", interop.DoPingPong},
		{"empty_stream", interop.DoEmptyStream},
		{"timeout_on_sleeping_server", interop.DoTimeoutOnSleepingServer},
		{"cancel_after_begin", interop.DoCancelAfterBegin},
		{"cancel_after_first_response", interop.DoCancelAfterFirstResponse},
		{"status_code_and_message", interop.DoStatusCodeAndMessage},
		{"special_status_message", interop.DoSpecialStatusMessage},
		{"custom_metadata", interop.DoCustomMetadata},
	}
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "plaintext/", true: "tls/"}[secure]
		conn := s.dial(t, secure)
		client := testgrpc.NewTestServiceClient(conn)
		for _, c := range cases {
			t.Run(name+c.name, func(t *testing.T) { c.run(timeout(t, 20*time.Second), client) })
		}
		t.Run(name+"unimplemented_method", func(t *testing.T) {
			interop.DoUnimplementedMethod(timeout(t, 20*time.Second), conn)
		})
		t.Run(name+"unimplemented_service", func(t *testing.T) {
			interop.DoUnimplementedService(timeout(t, 20*time.Second),
				testgrpc.NewUnimplementedServiceClient(conn))
		})
	}
}

// Each request compressed: unary, and every message of a stream.
func TestCompressedRequests(t *testing.T) {
	s := start(t)
	client := testgrpc.NewTestServiceClient(s.dial(t, false))
	ctx := timeout(t, 20*time.Second)
	body := bytes.Repeat([]byte("compressible "), 20000)
	reply, err := client.UnaryCall(ctx, &testpb.SimpleRequest{
		ResponseSize: 314159, Payload: &testpb.Payload{Body: body},
	}, grpc.UseCompressor(gzip.Name))
	if err != nil || len(reply.GetPayload().GetBody()) != 314159 {
		t.Fatalf("unary: %v", err)
	}
	stream, err := client.StreamingInputCall(ctx, grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := stream.Send(&testpb.StreamingInputCallRequest{Payload: &testpb.Payload{Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := stream.CloseAndRecv()
	if err != nil || int(sum.AggregatedPayloadSize) != 10*len(body) {
		t.Fatalf("stream: %v %v", sum, err)
	}
	// 8 MiB of nothing is a few KiB on the wire and over the limit of 4 MiB.
	bomb := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 8<<20)}}
	if _, err := client.UnaryCall(ctx, bomb, grpc.UseCompressor(gzip.Name)); status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("bomb: %v", err)
	}
	if _, err := client.UnaryCall(ctx, bomb); status.Convert(err).Message() != "grpc: received message larger than max (8388618 vs. 4194304)" {
		t.Fatalf("too large: %v", err)
	}
}

func TestThreeThousandStreams(t *testing.T) {
	s := start(t)
	client := testgrpc.NewTestServiceClient(s.dial(t, true))
	ctx := timeout(t, 60*time.Second)
	var streams []testgrpc.TestService_FullDuplexCallClient
	for range 3000 {
		stream, err := client.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	request := &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 100}}}
	for round := range 2 {
		for i, stream := range streams {
			if err := stream.Send(request); err != nil {
				t.Fatalf("round %d stream %d: %v", round, i, err)
			}
		}
		for i, stream := range streams {
			reply, err := stream.Recv()
			if err != nil || len(reply.GetPayload().GetBody()) != 100 {
				t.Fatalf("round %d stream %d: %v", round, i, err)
			}
		}
	}
}
