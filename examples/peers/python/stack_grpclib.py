"""grpclib, gRPC in Python on hyper-h2.

It has no compression, and no limits on the size of messages and the age of connections.
"""

import asyncio
import contextlib
import socket

import grpclib
from grpclib.client import Channel
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.exceptions import GRPCError
from grpclib.health.service import OVERALL, Health
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.reflection.service import ServerReflection
from grpclib.reflection.v1.reflection_grpc import ServerReflectionStub
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest
from grpclib.server import Server

from . import messages, tasks
from .messages import LIMIT, NotApplicable, Status, greet, test

VERSION = f"grpclib {grpclib.__version__}"


class Details(StatusDetailsCodecBase):
    """The bytes of the status details. Without a codec, grpclib hides them."""

    def encode(self, status, message, details):
        return details

    def decode(self, status, message, data):
        return data


# The server.


class Service:
    """The methods of the same names as generated code would bind them."""

    def __mapping__(self):
        return {
            path(method): Handler(getattr(self, method.name), cardinality(method), *types(method))
            for method in self.methods
            if hasattr(self, method.name)
        }


class Greeter(Service):
    methods = greet.DESCRIPTOR.services_by_name["Greeter"].methods

    async def SayHello(self, stream):
        request = await stream.recv_message()
        await stream.send_message(greet.HelloReply(message="Hello " + request.name))


class TestService(Service):
    methods = test.DESCRIPTOR.services_by_name["TestService"].methods

    async def EmptyCall(self, stream):
        trailing = await echo_metadata(stream)
        details = stream.metadata.get(messages.STATUS_DETAILS)
        if details is not None:
            raise GRPCError(grpclib.Status.INVALID_ARGUMENT, "details", details)
        await stream.send_message(await stream.recv_message())
        await stream.send_trailing_metadata(metadata=trailing)

    async def UnaryCall(self, stream):
        trailing = await echo_metadata(stream)
        request = await stream.recv_message()
        end_as_wanted(request)
        await stream.send_message(test.SimpleResponse(payload=messages.zeros(request.response_size)))
        await stream.send_trailing_metadata(metadata=trailing)

    async def StreamingOutputCall(self, stream):
        await self.FullDuplexCall(stream)

    async def StreamingInputCall(self, stream):
        trailing = await echo_metadata(stream)
        size = 0
        async for request in stream:
            end_as_wanted(request)
            size += len(request.payload.body)
        await stream.send_message(test.StreamingInputCallResponse(aggregated_payload_size=size))
        await stream.send_trailing_metadata(metadata=trailing)

    async def FullDuplexCall(self, stream):
        trailing = await echo_metadata(stream)
        async for request in stream:
            await respond(stream, request)
        await stream.send_trailing_metadata(metadata=trailing)

    async def HalfDuplexCall(self, stream):
        trailing = await echo_metadata(stream)
        for request in [request async for request in stream]:
            await respond(stream, request)
        await stream.send_trailing_metadata(metadata=trailing)


async def echo_metadata(stream):
    initial, trailing = messages.echoes(stream.metadata.items())
    await stream.send_initial_metadata(metadata=initial)
    return trailing


async def respond(stream, request):
    end_as_wanted(request)
    for parameters in request.response_parameters:
        if parameters.HasField("compressed"):
            refuse_compression()
        await asyncio.sleep(parameters.interval_us / 1e6)
        await stream.send_message(test.StreamingOutputCallResponse(payload=messages.zeros(parameters.size)))


def end_as_wanted(request):
    for field in ["expect_compressed", "response_compressed"]:
        if field in request.DESCRIPTOR.fields_by_name and request.HasField(field):
            refuse_compression()
    wanted = messages.wanted_status(request)
    if wanted:
        raise GRPCError(grpclib.Status(wanted.code), wanted.message)


def refuse_compression():
    raise GRPCError(grpclib.Status.UNIMPLEMENTED, "grpclib has no compression")


def serve(options):
    if options.max_connection_age is not None:
        raise NotApplicable("grpclib has no maximum age of connections")
    asyncio.run(serve_until_stopped(options))


async def serve_until_stopped(options):
    services = [Greeter(), TestService()]
    # No checks: what is served is healthy.
    services.append(Health({service: [] for service in [OVERALL, *services]}))
    services = ServerReflection.extend(services)
    async with contextlib.AsyncExitStack() as servers:
        for address in options.addresses:
            server = await servers.enter_async_context(Server(services, status_details_codec=Details()))
            print(f"listening on {await listen(server, address)}", flush=True)
        await tasks.stopped()


async def listen(server, address):
    kind, *where = messages.parse(address)
    if kind == "path":
        await server.start(path=where[0])
        return address
    listener = socket.create_server(tuple(where))
    await server.start(sock=listener)
    return f"tcp:{where[0]}:{listener.getsockname()[1]}"


# The client.


class Client(tasks.Client):
    lacks = {
        "connection_age": "grpclib closes the connection, with the calls on it, when it receives GOAWAY",
        "large_metadata": "hpack 4.2, which grpclib uses, takes minutes for 1 MiB (4 times as long for twice as much)",
    }

    def __init__(self, options):
        kind, *where = messages.parse(options.address)
        where = {"path": where[0]} if kind == "path" else {"host": where[0], "port": where[1]}
        self.channel = Channel(**where, status_details_codec=Details())
        services = [*messages.SERVICES, test.DESCRIPTOR.services_by_name["UnimplementedService"]]
        self.methods = {
            "Absent" if service.name == "UnimplementedService" else method.name: method
            for service in services
            for method in service.methods
        }

    async def unary(self, method, request, metadata=(), timeout=LIMIT, compressed=False):
        call = await self.call(method, request, metadata, timeout, compressed)
        response = await call.receive()
        return response, *await call.metadata()

    async def call(self, method, request=None, metadata=(), timeout=LIMIT, compressed=False):
        if compressed:
            raise NotApplicable("grpclib has no compression")
        method = self.methods[method]
        stream = self.channel.request(
            path(method), cardinality(method), *types(method), timeout=timeout, metadata=metadata
        )
        call = Call(stream, method)
        await call.begin(request)
        return call

    async def health(self, service):
        with statuses():
            response = await HealthStub(self.channel).Check(HealthCheckRequest(service=service), timeout=LIMIT)
        return HealthCheckResponse.ServingStatus.Name(response.status)

    async def services(self):
        with statuses():
            request = ServerReflectionRequest(list_services="")
            [response] = await ServerReflectionStub(self.channel).ServerReflectionInfo([request], timeout=LIMIT)
        return [service.name for service in response.list_services_response.service]

    async def close(self):
        self.channel.close()


class Call:
    """A call as `async with` makes it, except that it ends with the last response."""

    def __init__(self, stream, method):
        self.stream = stream
        self.method = method
        self.cancelled = False

    async def begin(self, request):
        with statuses(self.stream):
            await self.stream.__aenter__()
            async with self.ending_on_error():
                if request is None:
                    await self.stream.send_request()
                else:
                    await self.stream.send_message(request)

    async def send(self, message):
        with contextlib.suppress(Status), statuses():
            await self.stream.send_message(message)

    async def finish_sending(self):
        with contextlib.suppress(Status), statuses():
            await self.stream.end()

    async def receive(self):
        with statuses(self.stream):
            receiving = asyncio.create_task(self.next_response())
            if self.cancelled:
                await asyncio.sleep(0)
                receiving.cancel()
            try:
                return await receiving
            except asyncio.CancelledError:
                if not self.cancelled:
                    raise
                raise Status("CANCELLED") from None

    async def next_response(self):
        async with self.ending_on_error():
            response = await self.stream.recv_message()
        if response is None or not self.method.server_streaming:
            await self.stream.__aexit__(None, None, None)
        return response

    @contextlib.asynccontextmanager
    async def ending_on_error(self):
        try:
            yield
        except BaseException as error:
            await self.stream.__aexit__(type(error), error, None)
            raise

    async def cancel(self):
        """grpclib cancels a call together with the task that waits for it: the next one."""
        self.cancelled = True

    async def metadata(self):
        return list(self.stream.initial_metadata.items()), list(self.stream.trailing_metadata.items())


@contextlib.contextmanager
def statuses(stream=None):
    """Converts errors of calls. An error without a status has the name of its type instead."""
    try:
        yield
    except Status:
        raise
    except GRPCError as error:
        trailing = list((stream and stream.trailing_metadata or {}).items())
        if error.details is not None:
            trailing.append((messages.GRPC_STATUS_DETAILS, error.details))
        raise Status(error.status.name, error.message, trailing) from None
    except asyncio.TimeoutError:
        raise Status("DEADLINE_EXCEEDED") from None
    except Exception as error:
        raise Status(type(error).__name__, str(error)) from None


def path(method):
    return f"/{method.containing_service.full_name}/{method.name}"


def cardinality(method):
    return next(known for known in Cardinality if known.value == (method.client_streaming, method.server_streaming))


def types(method):
    module = greet if method.containing_service.name == "Greeter" else test
    return [getattr(module, kind.name) for kind in [method.input_type, method.output_type]]
