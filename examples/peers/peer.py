"""The peer of the interoperability tests in Python, on grpcio (gRPC's C-core).

    peer.py serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
    peer.py call ADDRESS [CASE...]     gRPC's interoperability cases, a line each; exits with 1 when one fails
    peer.py greet ADDRESS NAME         one call; prints the reply

The channel has C-core's own options, and so its own `:authority`, which on a Unix socket is the percent-encoded path;
`--authority NAME` makes it another. With TLS: `serve … --tls CERTIFICATE.pem KEY.pem`, and `--tls AUTHORITY.pem` for the
others. `grpcio-tools` compiles the .proto files at run time. The server has reflection if `grpcio-reflection` is there.

A program on grpcio is not told whether a message that it received was compressed. So the server does not know the cases
`client_compressed_unary` and `client_compressed_streaming`, which ask for that, and the client does not check it in
`server_compressed_unary` and `server_compressed_streaming`.
"""

import argparse
import os
import queue
import signal
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc

try:
    from grpc_reflection.v1alpha import reflection
except ImportError:
    reflection = None

PROTO = Path(__file__).parent.parent.parent / "proto"
# The second one is not reached through the first: its package would be `grpc.testing`, inside of grpcio.
sys.path += [str(PROTO), str(PROTO / "grpc/testing")]
greet, greet_services = grpc.protos_and_services("greet.proto")
test, test_services = grpc.protos_and_services("test.proto")

SERVICES = [(greet, "Greeter"), (test, "TestService")]

GZIP = grpc.Compression.Gzip
INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


def zeros(size):
    return test.Payload(body=bytes(size))


# The server.


class Greeter(greet_services.GreeterServicer):
    def SayHello(self, request, context):
        return greet.HelloReply(message="Hello " + request.name)


class TestService(test_services.TestServiceServicer):
    """The server side of gRPC's `interop-test-descriptions.md`. `UnimplementedCall` is absent: a case calls it."""

    def EmptyCall(self, request, context):
        echo_metadata(context)
        return request

    def UnaryCall(self, request, context):
        refuse_expectation(request, context)
        if request.response_compressed.value:
            context.set_compression(GZIP)
        echo_metadata(context)
        end_as_wanted(request, context)
        return test.SimpleResponse(payload=zeros(request.response_size))

    def StreamingOutputCall(self, request, context):
        # Only then: not every client takes a stream that may have compressed messages.
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(GZIP)
        yield from self.FullDuplexCall([request], context)

    def StreamingInputCall(self, requests, context):
        echo_metadata(context)
        size = 0
        for request in requests:
            refuse_expectation(request, context)
            size += len(request.payload.body)
        return test.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            end_as_wanted(request, context)
            for parameters in request.response_parameters:
                time.sleep(parameters.interval_us / 1e6)
                if not parameters.compressed.value:
                    context.disable_next_message_compression()
                yield test.StreamingOutputCallResponse(payload=zeros(parameters.size))

    def HalfDuplexCall(self, requests, context):
        yield from self.FullDuplexCall(list(requests), context)


def echo_metadata(context):
    received = context.invocation_metadata()
    context.send_initial_metadata([(key, value) for key, value in received if key == INITIAL])
    context.set_trailing_metadata([(key, value) for key, value in received if key == TRAILING])


def end_as_wanted(request, context):
    status = request.response_status
    if status.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        context.abort(code, status.message)


def refuse_expectation(request, context):
    if request.HasField("expect_compressed"):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "grpcio does not tell whether a message was compressed")


def serve(addresses, tls):
    stop = {signal.SIGINT, signal.SIGTERM}
    # Before the server starts its threads, which inherit this: the signals wait for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    greet_services.add_GreeterServicer_to_server(Greeter(), server)
    test_services.add_TestServiceServicer_to_server(TestService(), server)
    if reflection:
        names = [file.DESCRIPTOR.services_by_name[name].full_name for file, name in SERVICES]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
    for address in addresses:
        if tls:
            certificate, key = (Path(file).read_bytes() for file in tls)
            server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
        else:
            server.add_insecure_port(address)
    server.start()
    for address in addresses:
        print(f"listening on {address}", flush=True)
    signal.sigwait(stop)
    server.stop(grace=5).wait()


# The client: a function a case. Each call has a deadline, so that none hangs.

LIMIT = 20
REQUEST_SIZES = [27_182, 8, 1_828, 45_904]
RESPONSE_SIZES = [31_415, 9, 2_653, 58_979]


class Failure(Exception):
    """Why a case failed."""


class Stub(test_services.TestServiceStub):
    def __init__(self, channel):
        super().__init__(channel)
        self.absent = test_services.UnimplementedServiceStub(channel)


def empty_unary(stub):
    stub.EmptyCall(test.Empty(), timeout=LIMIT)


def large_unary(stub):
    check_zeros(stub.UnaryCall(large_request(), timeout=LIMIT), 314_159)


def client_streaming(stub):
    requests = (test.StreamingInputCallRequest(payload=zeros(size)) for size in REQUEST_SIZES)
    response = stub.StreamingInputCall(requests, timeout=LIMIT)
    check_equal("total size", response.aggregated_payload_size, 74_922)


def server_streaming(stub):
    parameters = [test.ResponseParameters(size=size) for size in RESPONSE_SIZES]
    request = test.StreamingOutputCallRequest(response_parameters=parameters)
    check_responses(stub.StreamingOutputCall(request, timeout=LIMIT), RESPONSE_SIZES)


def ping_pong(stub):
    requests = queue.SimpleQueue()
    responses = stub.FullDuplexCall(iter(requests.get, None), timeout=LIMIT)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.put(ask(response_size, request_size))
        check_zeros(next(responses, None), response_size)
    requests.put(None)
    check_responses(responses, [])


def empty_stream(stub):
    check_responses(stub.FullDuplexCall(iter([]), timeout=LIMIT), [])


def custom_metadata(stub):
    metadata = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]

    def check_echoes(call):
        check_equal("initial metadata", dict(call.initial_metadata()).get(INITIAL), metadata[0][1])
        check_equal("trailing metadata", dict(call.trailing_metadata()).get(TRAILING), metadata[1][1])

    response, call = stub.UnaryCall.with_call(large_request(), metadata=metadata, timeout=LIMIT)
    check_zeros(response, 314_159)
    check_echoes(call)
    responses = stub.FullDuplexCall(iter([ask(314_159, 271_828)]), metadata=metadata, timeout=LIMIT)
    check_responses(responses, [314_159])
    check_echoes(responses)


def status_code_and_message(stub):
    status = test.EchoStatus(code=2, message="test status message")
    request = test.SimpleRequest(response_status=status)
    check_status("UNKNOWN", status.message, lambda: stub.UnaryCall(request, timeout=LIMIT))
    requests = iter([test.StreamingOutputCallRequest(response_status=status)])
    check_status("UNKNOWN", status.message, lambda: list(stub.FullDuplexCall(requests, timeout=LIMIT)))


def special_status_message(stub):
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    request = test.SimpleRequest(response_status=test.EchoStatus(code=2, message=message))
    check_status("UNKNOWN", message, lambda: stub.UnaryCall(request, timeout=LIMIT))


def unimplemented_method(stub):
    check_status("UNIMPLEMENTED", None, lambda: stub.UnimplementedCall(test.Empty(), timeout=LIMIT))


def unimplemented_service(stub):
    check_status("UNIMPLEMENTED", None, lambda: stub.absent.UnimplementedCall(test.Empty(), timeout=LIMIT))


def cancel_after_begin(stub):
    call = stub.StreamingInputCall.future(iter(queue.SimpleQueue().get, None), timeout=LIMIT)
    # This one follows it on the same connection: once it is answered, the server has heard of both.
    stub.EmptyCall(test.Empty(), timeout=LIMIT)
    call.cancel()
    check_equal("status", call.code(), grpc.StatusCode.CANCELLED)


def cancel_after_first_response(stub):
    requests = queue.SimpleQueue()
    requests.put(ask(31_415, 27_182))
    call = stub.FullDuplexCall(iter(requests.get, None), timeout=LIMIT)
    check_zeros(next(call), 31_415)
    call.cancel()
    check_status("CANCELLED", None, lambda: next(call))


def timeout_on_sleeping_server(stub):
    requests = queue.SimpleQueue()
    requests.put(test.StreamingOutputCallRequest(payload=zeros(27_182)))
    call = stub.FullDuplexCall(iter(requests.get, None), timeout=0.001)
    check_status("DEADLINE_EXCEEDED", None, lambda: next(call))


def client_compressed_unary(stub):
    def request(compressed):
        request = large_request()
        request.expect_compressed.value = compressed
        return request

    check_status("INVALID_ARGUMENT", None, lambda: stub.UnaryCall(request(True), timeout=LIMIT))
    check_zeros(stub.UnaryCall(request(True), compression=GZIP, timeout=LIMIT), 314_159)
    check_zeros(stub.UnaryCall(request(False), timeout=LIMIT), 314_159)


def server_compressed_unary(stub):
    for compressed in [True, False]:
        request = large_request()
        request.response_compressed.value = compressed
        check_zeros(stub.UnaryCall(request, timeout=LIMIT), 314_159)


def client_compressed_streaming(stub):
    def request(compressed, body):
        payload = test.Payload(body=body)
        return test.StreamingInputCallRequest(expect_compressed=test.BoolValue(value=compressed), payload=payload)

    compressed = request(True, bytes(27_182))
    check_status("INVALID_ARGUMENT", None, lambda: stub.StreamingInputCall(iter([compressed]), timeout=LIMIT))
    # grpcio cannot tell one message of a stream from another, but C-core does not compress what would not get smaller.
    uncompressed = request(False, os.urandom(45_904))
    response = stub.StreamingInputCall(iter([compressed, uncompressed]), compression=GZIP, timeout=LIMIT)
    check_equal("total size", response.aggregated_payload_size, 73_086)


def server_compressed_streaming(stub):
    parameters = [
        test.ResponseParameters(compressed=test.BoolValue(value=compressed), size=size)
        for compressed, size in [(True, 31_415), (False, 92_653)]
    ]
    request = test.StreamingOutputCallRequest(response_parameters=parameters)
    check_responses(stub.StreamingOutputCall(request, timeout=LIMIT), [31_415, 92_653])


CASES = [
    empty_unary,
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    custom_metadata,
    status_code_and_message,
    special_status_message,
    unimplemented_method,
    unimplemented_service,
    cancel_after_begin,
    cancel_after_first_response,
    timeout_on_sleeping_server,
    client_compressed_unary,
    server_compressed_unary,
    client_compressed_streaming,
    server_compressed_streaming,
]


def large_request():
    return test.SimpleRequest(response_size=314_159, payload=zeros(271_828))


def ask(response_size, request_size):
    parameters = [test.ResponseParameters(size=response_size)]
    return test.StreamingOutputCallRequest(response_parameters=parameters, payload=zeros(request_size))


def check_equal(what, seen, expected):
    if seen != expected:
        raise Failure(f"{what}: {seen!r} instead of {expected!r}")


def check_zeros(response, size):
    check_equal("size of the response", response and len(response.payload.body), size)
    check_equal("the response is zeros", response.payload.body == bytes(size), True)


def check_responses(responses, sizes):
    for size in sizes:
        check_zeros(next(responses, None), size)
    check_equal("a response after the last", next(responses, None) is not None, False)


def check_status(code, message, call):
    try:
        call()
    except grpc.RpcError as error:
        check_equal("status", error.code().name, code)
        if message is not None:
            check_equal("message", error.details(), message)
    else:
        raise Failure(f"succeeded, and not {code}")


def run_cases(channel, names):
    known = {case.__name__: case for case in CASES}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"there is no case {unknown[0]!r}; the cases are: {', '.join(known)}")
    stub = Stub(channel)
    passed = True
    for name in names or known:
        try:
            known[name](stub)
            print(f"{name}: passed", flush=True)
        except (Failure, grpc.RpcError) as error:
            passed = False
            why = f"status {error.code().name}: {error.details()!r}" if isinstance(error, grpc.RpcError) else error
            print(f"{name}: failed: {why}", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--authority", metavar="NAME")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve")
    serving.add_argument("addresses", nargs="+")
    serving.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    call = commands.add_parser("call")
    call.add_argument("address")
    call.add_argument("cases", nargs="*")
    call.add_argument("--tls", metavar="AUTHORITIES")
    greeting = commands.add_parser("greet")
    greeting.add_argument("address")
    greeting.add_argument("--tls", metavar="AUTHORITIES")
    greeting.add_argument("name")
    arguments = parser.parse_args()

    if arguments.command == "serve":
        serve(arguments.addresses, arguments.tls)
        return
    options = [("grpc.default_authority", arguments.authority)] if arguments.authority else []
    if arguments.tls:
        # ANCHOR: tls
        # Else it would be the percent-encoded path, which no certificate can have, and which is no name to a server.
        options.append(("grpc.ssl_target_name_override", "localhost"))
        credentials = grpc.ssl_channel_credentials(Path(arguments.tls).read_bytes())
        channel = grpc.secure_channel(arguments.address, credentials, options=options)
        # ANCHOR_END: tls
    else:
        channel = grpc.insecure_channel(arguments.address, options=options)
    with channel:
        if arguments.command == "call":
            sys.exit(0 if run_cases(channel, arguments.cases) else 1)
        try:
            request = greet.HelloRequest(name=arguments.name)
            print(greet_services.GreeterStub(channel).SayHello(request, timeout=LIMIT).message)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")


main()
