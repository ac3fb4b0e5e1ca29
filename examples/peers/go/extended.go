// Cases beyond gRPC's own: limits, metadata, statuses, deadlines, cancellation, the end of a connection, and the
// services that come with gRPC. They have the same names in every peer.
package main

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	pb "testing_pb"
)

const mib = 1 << 20

// Both sides must have been started with `--max-message-size 80000000`.
func messageSizes(connection *grpc.ClientConn) {
	for _, size := range []int{0, 4*mib - 1024, 4*mib + 1, 64 * mib} {
		ctx, cancel := callContext()
		defer cancel()
		response, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, simpleRequest(size, size))
		if err != nil {
			fail("%d bytes: %v", size, err)
		}
		checkZeros(response.Payload, size)
	}
}

func messageTooLarge(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	_, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, simpleRequest(1, 4*mib+1))
	if err == nil {
		notApplicable("the server accepts messages of more than 4 MiB")
	}
	checkStatus(err, codes.ResourceExhausted)
	emptyUnary(connection)
}

func checkBinaryEcho(connection *grpc.ClientConn, values ...string) {
	ctx, cancel := callContext()
	defer cancel()
	var trailer metadata.MD
	ctx = metadata.NewOutgoingContext(ctx, metadata.MD{trailingMetadata: values})
	_, err := pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{}, grpc.Trailer(&trailer))
	check(err)
	echoed := trailer.Get(trailingMetadata)
	checkEqual("number of values", len(echoed), len(values))
	for i, value := range values {
		if echoed[i] != value {
			fail("a value of %d bytes changed", len(value))
		}
	}
}

func everyByte() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}

func binaryMetadata(connection *grpc.ClientConn) {
	const some = "\xfb\xef\xbe\x00\xff"
	for size := 0; size <= len(some); size++ {
		checkBinaryEcho(connection, some[:size])
	}
	checkBinaryEcho(connection, everyByte())
	checkBinaryEcho(connection, "\x01\x02", "\x03")
}

func largeMetadata(connection *grpc.ClientConn) {
	echoed := func(size int) (metadata.MD, error) {
		ctx, cancel := callContext()
		defer cancel()
		var header metadata.MD
		ctx = metadata.AppendToOutgoingContext(ctx, initialMetadata, strings.Repeat("a", size))
		_, err := pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{}, grpc.Header(&header))
		return header, err
	}
	header, err := echoed(6 * 1024)
	check(err)
	checkEqual("metadata that came back", only(header.Get(initialMetadata)) == strings.Repeat("a", 6*1024), true)
	if _, err := echoed(mib); err == nil {
		notApplicable("both sides accept 1 MiB of metadata")
	}
	// A server on C-core ends the connection too. A call that is already on its way then fails.
	ctx, cancel := callContext()
	defer cancel()
	_, err = pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{})
	if status.Code(err) == codes.Unavailable {
		emptyUnary(connection)
	} else {
		check(err)
	}
}

func manyCalls(connection *grpc.ClientConn) {
	const calls = 1000
	failures := make(chan error)
	for i := 0; i < calls; i++ {
		size := i
		go func() {
			failures <- attempt(func() {
				ctx, cancel := callContext()
				defer cancel()
				response, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, simpleRequest(size, 1))
				check(err)
				checkZeros(response.Payload, size)
			})
		}()
	}
	checkAll(failures, calls)
}

func checkAll(failures <-chan error, count int) {
	for i := 0; i < count; i++ {
		if failed := <-failures; failed != nil {
			panic(failed)
		}
	}
}

func trailersOnly(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	check(stream.Send(askStatus(codes.FailedPrecondition, "no message")))
	err = endOf(stream)
	checkStatus(err, codes.FailedPrecondition)
	checkEqual("message", status.Convert(err).Message(), "no message")
}

func everyStatus(connection *grpc.ClientConn) {
	const message = "ü € 😀 % \t \r\n"
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		ctx, cancel := callContext()
		defer cancel()
		request := &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(code), Message: message}}
		_, err := pb.NewTestServiceClient(connection).UnaryCall(ctx, request)
		checkStatus(err, code)
		checkEqual("message of "+code.String(), status.Convert(err).Message(), message)
	}
}

func statusDetailsCase(connection *grpc.ClientConn) {
	for count := 1; count <= 3; count++ {
		// A `google.rpc.Status` with the code, the message, and some empty details, for each padding of Base64. At
		// least one: grpc-go sends it only then.
		details := "\x08\x03\x12\x07details" + strings.Repeat("\x1a\x00", count)
		ctx, cancel := callContext()
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(ctx, statusDetails, details)
		_, err := pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{})
		checkStatus(err, codes.InvalidArgument)
		checkEqual("message", status.Convert(err).Message(), "details")
		// grpc-go gives them as a message only.
		received, err := proto.Marshal(status.Convert(err).Proto())
		check(err)
		if !bytes.Equal(received, []byte(details)) {
			fail("details: %x instead of %x", received, details)
		}
	}
}

func deadlines(connection *grpc.ClientConn) {
	emptyUnary(connection)
	const hour = time.Hour
	for _, limit := range []time.Duration{50 * time.Millisecond, 5 * time.Second, 100 * time.Second, 3 * hour, 720 * hour} {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if _, err := pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{}); err != nil {
			fail("a deadline of %v: %v", limit, err)
		}
	}
}

func deadlinePassed(connection *grpc.ClientConn) {
	for _, limit := range []time.Duration{0, -time.Second} {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		_, err := pb.NewTestServiceClient(connection).EmptyCall(ctx, &pb.Empty{})
		checkStatus(err, codes.DeadlineExceeded)
	}
	emptyUnary(connection)
}

// Begins a stream, brings it to the phase, cancels it, and checks its status.
func cancelIn(connection *grpc.ClientConn, phase string, reach func(pb.TestService_FullDuplexCallClient)) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	reach(stream)
	cancel()
	if err := endOf(stream); status.Code(err) != codes.Canceled {
		fail("%s: %v", phase, err)
	}
}

func cancelPhases(connection *grpc.ClientConn) {
	client := pb.NewTestServiceClient(connection)
	ctx, cancel := callContext()
	cancel()
	_, err := client.FullDuplexCall(ctx)
	checkStatus(err, codes.Canceled)

	type duplex = pb.TestService_FullDuplexCallClient
	cancelIn(connection, "after headers", func(duplex) {})
	cancelIn(connection, "after the first message sent", func(stream duplex) {
		check(stream.Send(&pb.StreamingOutputCallRequest{}))
	})
	cancelIn(connection, "after the first message received", func(stream duplex) {
		check(stream.Send(ask(1, 1)))
		checkNext(stream, 1)
	})
	cancelIn(connection, "after half-close", func(stream duplex) {
		late := ask(1, 1)
		late.ResponseParameters[0].IntervalUs = 1000000
		check(stream.Send(late))
		check(stream.CloseSend())
	})

	// More than every window, so that the server cannot have sent the end of it.
	request := &pb.StreamingOutputCallRequest{}
	for i := 0; i < 1000; i++ {
		request.ResponseParameters = append(request.ResponseParameters, &pb.ResponseParameters{Size: 64 * 1024})
	}
	ctx, cancel = callContext()
	responses, err := client.StreamingOutputCall(ctx, request)
	check(err)
	for i := 0; i < 10; i++ {
		checkNext(responses, 64*1024)
	}
	cancel()
	// What has arrived is still there.
	for err = nil; err == nil; {
		_, err = responses.Recv()
	}
	checkStatus(err, codes.Canceled)
	emptyUnary(connection)
}

func emptyStreams(connection *grpc.ClientConn) {
	client := pb.NewTestServiceClient(connection)
	ctx, cancel := callContext()
	defer cancel()
	requests, err := client.StreamingInputCall(ctx)
	check(err)
	response, err := requests.CloseAndRecv()
	check(err)
	checkEqual("total size", response.AggregatedPayloadSize, int32(0))

	full, err := client.FullDuplexCall(ctx)
	check(err)
	check(full.CloseSend())
	check(endOf(full))

	half, err := client.HalfDuplexCall(ctx)
	check(err)
	check(half.CloseSend())
	// Not every server has this method.
	if err := endOf(half); status.Code(err) != codes.Unimplemented {
		check(err)
	}
}

func earlyStatus(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := pb.NewTestServiceClient(connection).FullDuplexCall(ctx)
	check(err)
	check(stream.Send(askStatus(codes.Aborted, "early")))
	// Send fails once the status is there.
	for i := 0; i < 128 && err == nil; i++ {
		err = stream.Send(&pb.StreamingOutputCallRequest{Payload: zeros(64 * 1024)})
	}
	err = endOf(stream)
	checkStatus(err, codes.Aborted)
	checkEqual("message", status.Convert(err).Message(), "early")
	emptyUnary(connection)
}

// The server must have been started with `--max-connection-age 1`.
func connectionAge(connection *grpc.ClientConn) {
	const callers = 8
	end := time.Now().Add(3 * time.Second)
	failures := make(chan error)
	for i := 0; i < callers; i++ {
		go func() {
			failures <- attempt(func() {
				for time.Now().Before(end) {
					emptyUnary(connection)
				}
			})
		}()
	}
	checkAll(failures, callers)
}

func healthCase(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	client := grpc_health_v1.NewHealthClient(connection)
	for _, service := range []string{"", "grpc.testing.TestService"} {
		response, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		check(err)
		checkEqual("health of "+service, response.Status, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "unknown"})
	checkStatus(err, codes.NotFound)
}

func reflectionCase(connection *grpc.ClientConn) {
	ctx, cancel := callContext()
	defer cancel()
	stream, err := grpc_reflection_v1alpha.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	check(err)
	list := &grpc_reflection_v1alpha.ServerReflectionRequest_ListServices{}
	check(stream.Send(&grpc_reflection_v1alpha.ServerReflectionRequest{MessageRequest: list}))
	check(stream.CloseSend())
	response, err := stream.Recv()
	check(err)
	for _, service := range response.GetListServicesResponse().GetService() {
		if service.Name == "grpc.testing.TestService" {
			return
		}
	}
	fail("the list lacks grpc.testing.TestService: %v", response)
}

var extendedCases = []testCase{
	{"message_sizes", messageSizes},
	{"message_too_large", messageTooLarge},
	{"binary_metadata", binaryMetadata},
	{"large_metadata", largeMetadata},
	{"many_calls", manyCalls},
	{"trailers_only", trailersOnly},
	{"every_status", everyStatus},
	{"status_details", statusDetailsCase},
	{"deadlines", deadlines},
	{"deadline_passed", deadlinePassed},
	{"cancel_phases", cancelPhases},
	{"empty_streams", emptyStreams},
	{"early_status", earlyStatus},
	{"connection_age", connectionAge},
	{"health", healthCase},
	{"reflection", reflectionCase},
}
