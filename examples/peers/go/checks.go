// What the cases share: calls and checks.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "testing_pb"
)

const (
	largeRequest  = 271828
	largeResponse = 314159
)

func fail(format string, values ...interface{}) {
	panic(failure{why: fmt.Sprintf(format, values...)})
}

func notApplicable(why string) { panic(failure{why: why, notApplicable: true}) }

func checkEqual(what string, seen, expected interface{}) {
	if seen != expected {
		fail("%s: %v instead of %v", what, seen, expected)
	}
}

func checkStatus(err error, expected codes.Code) {
	if status.Code(err) != expected {
		fail("%v", err)
	}
}

func check(err error) { checkStatus(err, codes.OK) }

func checkZeros(payload *pb.Payload, size int) {
	checkEqual("size of the response", len(payload.GetBody()), size)
	checkEqual("bytes other than zero", size-bytes.Count(payload.GetBody(), []byte{0}), 0)
}

// What a call needs, with a deadline earlier than the limit of its case.
func callContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 15*time.Second)
}

func simpleRequest(responseSize, requestSize int) *pb.SimpleRequest {
	return &pb.SimpleRequest{ResponseSize: int32(responseSize), Payload: zeros(requestSize)}
}

func ask(responseSize, requestSize int) *pb.StreamingOutputCallRequest {
	return &pb.StreamingOutputCallRequest{
		ResponseParameters: []*pb.ResponseParameters{{Size: int32(responseSize)}},
		Payload:            zeros(requestSize),
	}
}

func askStatus(code codes.Code, message string) *pb.StreamingOutputCallRequest {
	return &pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: int32(code), Message: message}}
}

type receiver interface {
	Recv() (*pb.StreamingOutputCallResponse, error)
}

func checkNext(responses receiver, size int) {
	response, err := responses.Recv()
	check(err)
	checkZeros(response.Payload, size)
}

// The status at the end of a stream; fails if a response comes first.
func endOf(responses receiver) error {
	_, err := responses.Recv()
	if err == nil {
		fail("a response after the last")
	}
	if err == io.EOF {
		return nil
	}
	return err
}
