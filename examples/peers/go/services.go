// The server side of gRPC's `interop-test-descriptions.md`. `grpc.testing.UnimplementedService` and the method
// `UnimplementedCall` are absent on purpose: cases call them.
package main

import (
	"context"
	"io"
	"time"

	"github.com/golang/protobuf/proto"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"greet"
	pb "testing_pb"
)

// What the server echoes of a request's metadata, and where.
const (
	initialMetadata  = "x-grpc-test-echo-initial"
	trailingMetadata = "x-grpc-test-echo-trailing-bin"
)

// `EmptyCall` ends with the value of this, a `google.rpc.Status`, as the details of its status.
const statusDetails = "x-status-details-bin"

func echoMetadata(ctx context.Context) {
	received, _ := metadata.FromIncomingContext(ctx)
	if initial := received.Get(initialMetadata); len(initial) > 0 {
		grpc.SetHeader(ctx, metadata.MD{initialMetadata: initial})
	}
	if trailing := received.Get(trailingMetadata); len(trailing) > 0 {
		grpc.SetTrailer(ctx, metadata.MD{trailingMetadata: trailing})
	}
}

// Fails if a request says whether it is compressed, and it is not as it says.
func checkCompression(ctx context.Context, expected *pb.BoolValue) error {
	if expected != nil && expected.Value != lastCompressed(ctx) {
		return status.Errorf(codes.InvalidArgument, "the message was compressed: %v", lastCompressed(ctx))
	}
	return nil
}

func wantedStatus(wanted *pb.EchoStatus) error {
	return status.Error(codes.Code(wanted.GetCode()), wanted.GetMessage())
}

func zeros(size int) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

type interop struct {
	pb.UnimplementedTestServiceServer
}

func (*interop) EmptyCall(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	echoMetadata(ctx)
	received, _ := metadata.FromIncomingContext(ctx)
	details := received.Get(statusDetails)
	if len(details) == 0 {
		return &pb.Empty{}, nil
	}
	// grpc-go takes the details as a message only.
	var wanted spb.Status
	if err := proto.Unmarshal([]byte(details[0]), &wanted); err != nil {
		return nil, status.Error(codes.Internal, "the details are not a google.rpc.Status")
	}
	return nil, status.ErrorProto(&wanted)
}

// grpc-go compresses a response if the request was compressed. It does not let a handler choose.
func (*interop) UnaryCall(ctx context.Context, request *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	echoMetadata(ctx)
	if err := checkCompression(ctx, request.ExpectCompressed); err != nil {
		return nil, err
	}
	if err := wantedStatus(request.ResponseStatus); err != nil {
		return nil, err
	}
	return &pb.SimpleResponse{Payload: zeros(int(request.ResponseSize))}, nil
}

func (*interop) StreamingOutputCall(
	request *pb.StreamingOutputCallRequest, responses pb.TestService_StreamingOutputCallServer,
) error {
	echoMetadata(responses.Context())
	return answer(request, responses)
}

func (*interop) StreamingInputCall(requests pb.TestService_StreamingInputCallServer) error {
	echoMetadata(requests.Context())
	size := 0
	for {
		request, err := requests.Recv()
		if err == io.EOF {
			return requests.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(size)})
		}
		if err != nil {
			return err
		}
		if err := checkCompression(requests.Context(), request.ExpectCompressed); err != nil {
			return err
		}
		size += len(request.Payload.GetBody())
	}
}

func (*interop) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	echoMetadata(stream.Context())
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := answer(request, stream); err != nil {
			return err
		}
	}
}

func (*interop) HalfDuplexCall(stream pb.TestService_HalfDuplexCallServer) error {
	echoMetadata(stream.Context())
	var requests []*pb.StreamingOutputCallRequest
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		requests = append(requests, request)
	}
	for _, request := range requests {
		if err := answer(request, stream); err != nil {
			return err
		}
	}
	return nil
}

type sender interface {
	Context() context.Context
	Send(*pb.StreamingOutputCallResponse) error
}

// Sends what a request asks for; gives the status that it asks for.
func answer(request *pb.StreamingOutputCallRequest, responses sender) error {
	for _, parameters := range request.ResponseParameters {
		select {
		case <-time.After(time.Duration(parameters.IntervalUs) * time.Microsecond):
		case <-responses.Context().Done():
			return responses.Context().Err()
		}
		if err := responses.Send(&pb.StreamingOutputCallResponse{Payload: zeros(int(parameters.Size))}); err != nil {
			return err
		}
	}
	return wantedStatus(request.ResponseStatus)
}

type greeter struct{}

func (greeter) SayHello(_ context.Context, request *greet.HelloRequest) (*greet.HelloReply, error) {
	return &greet.HelloReply{Message: "Hello " + request.Name}, nil
}
