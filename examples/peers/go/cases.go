// The client side of gRPC's `interop-test-descriptions.md`: a function a case.
package main

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "testing_pb"
)

var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int{31415, 9, 2653, 58979}
)

func emptyUnary(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	_, err := pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{})
	check(err)
}

func largeUnary(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	response, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, simpleRequest(largeResponse, largeRequest))
	check(err)
	checkZeros(response.Payload, largeResponse)
}

func clientStreaming(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	requests, err := pb.NewTestServiceClient(connection).StreamingInputCall(ctx)
	check(err)
	for _, size := range requestSizes {
		check(requests.Send(&pb.StreamingInputCallRequest{Payload: zeros(size)}))
	}
	response, err := requests.CloseAndRecv()
	check(err)
	checkEqual("total size", response.AggregatedPayloadSize, int32(74922))
}

func serverStreaming(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	request := &pb.StreamingOutputCallRequest{}
	for _, size := range responseSizes {
		request.ResponseParameters = append(request.ResponseParameters, &pb.ResponseParameters{Size: int32(size)})
	}
	responses, err := pb.NewTestServiceClient(connection).StreamingOutputCall(ctx, request)
	check(err)
	for _, size := range responseSizes {
		checkNext(responses, size)
	}
	check(endOf(responses))
}

func pingPong(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	for i, size := range responseSizes {
		check(stream.Send(ask(size, requestSizes[i])))
		checkNext(stream, size)
	}
	check(stream.CloseSend())
	check(endOf(stream))
}

func emptyStream(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	check(stream.CloseSend())
	check(endOf(stream))
}

func customMetadata(connection *grpc.ClientConn) {
	const initial, trailing = "test_initial_metadata_value", "\xab\xab\xab"
	client := pb.NewTestServiceClient(connection)
	ctx, cancel := callContext()
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, initialMetadata, initial, trailingMetadata, trailing)
	checkEchoes := func(header, trailer metadata.MD) {
		checkEqual("initial metadata", only(header.Get(initialMetadata)), initial)
		checkEqual("trailing metadata", only(trailer.Get(trailingMetadata)), trailing)
	}

	var header, trailer metadata.MD
	request := simpleRequest(largeResponse, largeRequest)
	response, err := client.UnaryCall(ctx, request, grpc.Header(&header), grpc.Trailer(&trailer))
	check(err)
	checkZeros(response.Payload, largeResponse)
	checkEchoes(header, trailer)

	stream, err := client.FullDuplexCall(ctx)
	check(err)
	check(stream.Send(ask(largeResponse, largeRequest)))
	check(stream.CloseSend())
	checkNext(stream, largeResponse)
	check(endOf(stream))
	header, err = stream.Header()
	check(err)
	checkEchoes(header, stream.Trailer())
}

func only(values []string) string {
	checkEqual("number of values", len(values), 1)
	return values[0]
}

// Asks a unary call for status UNKNOWN with `message`.
func unaryStatus(connection *grpc.ClientConn, message string) {
	ctx, cancel := callContext()
	defer cancel()
	request := &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.Unknown), Message: message}}
	_, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, request)
	checkStatus(err, codes.Unknown)
	checkEqual("message of the unary call", status.Convert(err).Message(), message)
}

func statusCodeAndMessage(connection *grpc.ClientConn) {
	const message = "test status message"
	unaryStatus(connection, message)

	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	check(stream.Send(askStatus(codes.Unknown, message)))
	check(stream.CloseSend())
	err = endOf(stream)
	checkStatus(err, codes.Unknown)
	checkEqual("message of the duplex call", status.Convert(err).Message(), message)
}

func specialStatusMessage(connection *grpc.ClientConn) {
	unaryStatus(connection, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")
}

func unimplementedMethod(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	_, err := pb.NewTestServiceClient(connection).UnimplementedCall(ctx, &pb.Empty{})
	checkStatus(err, codes.Unimplemented)
}

func unimplementedService(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	_, err := pb.NewUnimplementedServiceClient(connection).UnimplementedCall(ctx, &pb.Empty{})
	checkStatus(err, codes.Unimplemented)
}

func cancelAfterBegin(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	requests, err := pb.NewTestServiceClient(connection).StreamingInputCall(ctx)
	check(err)
	// This one follows it on the same connection: once it is answered, the server has heard of both.
	emptyUnary(connection)
	cancel()
	_, err = requests.CloseAndRecv()
	checkStatus(err, codes.Canceled)
}

func cancelAfterFirstResponse(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	check(stream.Send(ask(31415, 27182)))
	checkNext(stream, 31415)
	cancel()
	checkStatus(endOf(stream), codes.Canceled)
}

func timeoutOnSleepingServer(connection *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	if err == nil {
		// Fails when the deadline has passed. The status follows.
		_ = stream.Send(&pb.StreamingOutputCallRequest{Payload: zeros(27182)})
		err = endOf(stream)
	}
	checkStatus(err, codes.DeadlineExceeded)
}

func clientCompressedUnary(connection *grpc.ClientConn) {
	unary := func(expect bool, code codes.Code, options ...grpc.CallOption) {
		ctx, cancel := callContext()
		defer cancel()
		request := simpleRequest(largeResponse, largeRequest)
		request.ExpectCompressed = &pb.BoolValue{Value: expect}
		response, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, request, options...)
		checkStatus(err, code)
		if code == codes.OK {
			checkZeros(response.Payload, largeResponse)
		}
	}
	unary(true, codes.InvalidArgument)
	unary(true, codes.OK, grpc.UseCompressor(gzip.Name))
	unary(false, codes.OK)
}

// This version of grpc-go says that it accepts compressed responses only if it compresses the request, too.
var acceptCompressed = grpc.UseCompressor(gzip.Name)

func serverCompressedUnary(connection *grpc.ClientConn) {
	for _, wanted := range []bool{true, false} {
		ctx, cancel := callContext()
		defer cancel()
		ctx, seen := withCompressed(ctx)
		request := simpleRequest(largeResponse, largeRequest)
		request.ResponseCompressed = &pb.BoolValue{Value: wanted}
		response, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, request, acceptCompressed)
		check(err)
		checkZeros(response.Payload, largeResponse)
		checkEqual("response compressed", seen.all()[0], wanted)
	}
}

func clientCompressedStreaming(*grpc.ClientConn) {
	notApplicable("grpc-go compresses all messages of a call, or none")
}

func serverCompressedStreaming(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	ctx, seen := withCompressed(ctx)
	request := &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{
		{Compressed: &pb.BoolValue{Value: true}, Size: 31415},
		{Compressed: &pb.BoolValue{Value: false}, Size: 92653},
	}}
	responses, err := pb.NewTestServiceClient(connection).StreamingOutputCall(ctx, request, acceptCompressed)
	check(err)
	for i, parameters := range request.ResponseParameters {
		checkNext(responses, int(parameters.Size))
		checkEqual("response compressed", seen.all()[i], parameters.Compressed.Value)
	}
	check(endOf(responses))
}

var officialCases = []testCase{
	{"empty_unary", emptyUnary},
	{"large_unary", largeUnary},
	{"client_streaming", clientStreaming},
	{"server_streaming", serverStreaming},
	{"ping_pong", pingPong},
	{"empty_stream", emptyStream},
	{"custom_metadata", customMetadata},
	{"status_code_and_message", statusCodeAndMessage},
	{"special_status_message", specialStatusMessage},
	{"unimplemented_method", unimplementedMethod},
	{"unimplemented_service", unimplementedService},
	{"cancel_after_begin", cancelAfterBegin},
	{"cancel_after_first_response", cancelAfterFirstResponse},
	{"timeout_on_sleeping_server", timeoutOnSleepingServer},
	{"client_compressed_unary", clientCompressedUnary},
	{"server_compressed_unary", serverCompressedUnary},
	{"client_compressed_streaming", clientCompressedStreaming},
	{"server_compressed_streaming", serverCompressedStreaming},
}
