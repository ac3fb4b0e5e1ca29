"""grpcio, gRPC's C-core, with threads.

A program on grpcio is not told whether a message that it received was compressed. So the server does not support the
cases `client_compressed_unary` and `client_compressed_streaming`, which ask for that, and the client does not check it
in `server_compressed_unary` and `server_compressed_streaming`.
"""

import queue
import signal
import threading
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from . import messages
from .messages import CASE_LIMIT, LIMIT, Failure, Status, greet, greet_services, test, test_services

VERSION = f"grpcio {grpc.__version__}"
GZIP = grpc.Compression.Gzip


def target(address):
    """The name that gRPC resolves."""
    kind, *where = messages.parse(address)
    return address if kind == "path" else f"{where[0]}:{where[1]}"


def server_options(options):
    chosen = []
    if options.max_message_size is not None:
        chosen += message_size(options.max_message_size)
    if options.max_connection_age is not None:
        chosen.append(("grpc.max_connection_age_ms", int(options.max_connection_age * 1000)))
    return chosen


def client_options(options):
    chosen = []
    if options.authority is not None:
        chosen.append(("grpc.default_authority", options.authority))
    if options.max_message_size is not None:
        chosen += message_size(options.max_message_size)
    return chosen


def message_size(size):
    return [("grpc.max_receive_message_length", size), ("grpc.max_send_message_length", size)]


# The server.


class Greeter(greet_services.GreeterServicer):
    def SayHello(self, request, context):
        return greet.HelloReply(message="Hello " + request.name)


class TestService(test_services.TestServiceServicer):
    """The server side of gRPC's `interop-test-descriptions.md`. `UnimplementedCall` is absent: a case calls it."""

    def EmptyCall(self, request, context):
        trailing = echo_metadata(context)
        details = messages.status_details(context.invocation_metadata())
        if details is not None:
            context.set_trailing_metadata([*trailing, (messages.GRPC_STATUS_DETAILS, details)])
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "details")
        return request

    def UnaryCall(self, request, context):
        end_as_wanted(request, context)
        if request.response_compressed.value:
            context.set_compression(GZIP)
        echo_metadata(context)
        return test.SimpleResponse(payload=messages.zeros(request.response_size))

    def StreamingOutputCall(self, request, context):
        # Only then: not every client takes a stream that may have compressed messages.
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(GZIP)
        yield from self.FullDuplexCall([request], context)

    def StreamingInputCall(self, requests, context):
        echo_metadata(context)
        size = 0
        for request in requests:
            end_as_wanted(request, context)
            size += len(request.payload.body)
        return test.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        ended = threading.Event()
        context.add_callback(ended.set)
        for request in requests:
            end_as_wanted(request, context)
            for parameters in request.response_parameters:
                if parameters.interval_us and ended.wait(parameters.interval_us / 1e6):
                    return
                if not parameters.compressed.value:
                    context.disable_next_message_compression()
                yield test.StreamingOutputCallResponse(payload=messages.zeros(parameters.size))

    def HalfDuplexCall(self, requests, context):
        yield from self.FullDuplexCall(list(requests), context)


def echo_metadata(context):
    initial, trailing = messages.echoes(context.invocation_metadata())
    context.send_initial_metadata(initial)
    context.set_trailing_metadata(trailing)
    return trailing


def end_as_wanted(request, context):
    refused = refused_expectation(request)
    if refused:
        context.abort(*refused)
    wanted = messages.wanted_status(request)
    if wanted:
        context.abort(status_code(wanted.code), wanted.message)


def status_code(number):
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def refused_expectation(request):
    """The status of a request whose sender wants to know whether it was compressed."""
    if "expect_compressed" in request.DESCRIPTOR.fields_by_name and request.HasField("expect_compressed"):
        return grpc.StatusCode.UNIMPLEMENTED, "grpcio does not tell whether a message was compressed"
    return None


def serve(options):
    targets = [target(address) for address in options.addresses]
    stop = {signal.SIGINT, signal.SIGTERM}
    # Before the server starts its threads, which inherit this: the signals wait for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=server_options(options))
    health_service = health.HealthServicer()
    add_services(server, Greeter(), TestService())
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    health_service.set(messages.TEST_SERVICE, health_pb2.HealthCheckResponse.SERVING)
    if options.tls:
        certificate, key = (Path(file).read_bytes() for file in options.tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        ports = [server.add_secure_port(name, credentials) for name in targets]
    else:
        ports = [server.add_insecure_port(name) for name in targets]
    server.start()
    for address, port in zip(options.addresses, ports):
        print(f"listening on {listening(address, port)}", flush=True)
    signal.sigwait(stop)
    server.stop(grace=5).wait()


def add_services(server, greeter, test_service):
    greet_services.add_GreeterServicer_to_server(greeter, server)
    test_services.add_TestServiceServicer_to_server(test_service, server)
    names = [service.full_name for service in messages.SERVICES]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)


def listening(address, port):
    return f"{address.rpartition(':')[0]}:{port}" if address.startswith("tcp:") else address


# The client.


class Client:
    lacks = {}

    def __init__(self, options):
        chosen = client_options(options)
        name = target(options.address)
        if options.tls:
            # ANCHOR: tls
            # Otherwise it would be the percent-encoded path, which no certificate can have.
            chosen.append(("grpc.ssl_target_name_override", "localhost"))
            credentials = grpc.ssl_channel_credentials(Path(options.tls[0]).read_bytes())
            self.channel = grpc.secure_channel(name, credentials, options=chosen)
            # ANCHOR_END: tls
        else:
            self.channel = grpc.insecure_channel(name, options=chosen)
        self.stubs = stubs(self.channel)

    async def unary(self, method, request, metadata=(), timeout=LIMIT, compressed=False):
        try:
            response, call = self.stubs[method].with_call(
                request, metadata=metadata, timeout=timeout, compression=compression(compressed)
            )
        except grpc.RpcError as error:
            raise status(error) from None
        return response, call.initial_metadata(), call.trailing_metadata()

    async def unary_all(self, method, requests):
        calls = [self.stubs[method].future(request, timeout=LIMIT) for request in requests]
        try:
            return [call.result() for call in calls]
        except grpc.RpcError as error:
            raise status(error) from None

    async def call(self, method, request=None, metadata=(), timeout=LIMIT, compressed=False):
        options = {"metadata": metadata, "timeout": timeout, "compression": compression(compressed)}
        return Call(method, self.stubs[method], request, options)

    async def health(self, service):
        stub = health_pb2_grpc.HealthStub(self.channel)
        try:
            response = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT)
        except grpc.RpcError as error:
            raise status(error) from None
        return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)

    async def services(self):
        return ProtoReflectionDescriptorDatabase(self.channel).get_services()

    async def in_time(self, case):
        """Runs a case in a thread of its own, because its calls block."""
        result = futures.Future()

        def work():
            try:
                result.set_result(drive(case(self)))
            except BaseException as error:
                result.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            return result.result(CASE_LIMIT)
        except futures.TimeoutError:
            raise Failure(f"not finished within {CASE_LIMIT} seconds") from None

    async def close(self):
        self.channel.close()


class Call:
    END = object()

    def __init__(self, method, stub, request, options):
        self.streams = not method.startswith("StreamingInput")
        self.requests = queue.SimpleQueue()
        if request is None:
            request = iter(self.requests.get, self.END)
        if self.streams:
            self.call = stub(request, **options)
        elif options["compression"]:
            # `stub.future` of a stream of requests ignores the compression, as of grpcio 1.85.
            self.call = futures.ThreadPoolExecutor(1).submit(stub, request, **options)
        else:
            self.call = stub.future(request, **options)

    async def send(self, message):
        self.requests.put(message)

    async def finish_sending(self):
        self.requests.put(self.END)

    async def receive(self):
        try:
            return next(self.call, None) if self.streams else self.call.result()
        except grpc.RpcError as error:
            raise status(error) from None
        except grpc.FutureCancelledError:
            raise status(self.call) from None

    async def cancel(self):
        self.call.cancel()
        # So that the thread that takes the requests ends.
        self.requests.put(self.END)

    async def metadata(self):
        """The initial and the trailing metadata, after the last response."""
        return self.call.initial_metadata(), self.call.trailing_metadata()


def stubs(channel):
    """The methods by their names. `Absent` belongs to a service that no server has."""
    test_service = test_services.TestServiceStub(channel)
    methods = {
        method.name: getattr(test_service, method.name)
        for method in test.DESCRIPTOR.services_by_name["TestService"].methods
    }
    methods["Absent"] = test_services.UnimplementedServiceStub(channel).UnimplementedCall
    methods["SayHello"] = greet_services.GreeterStub(channel).SayHello
    return methods


def compression(compressed):
    return GZIP if compressed else None


def status(error):
    return Status(error.code().name, error.details(), error.trailing_metadata() or ())


def drive(coroutine):
    """Runs a coroutine that never waits: here everything blocks instead."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("a call of this stack waited")
