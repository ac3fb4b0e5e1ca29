"""grpcio, gRPC's C-core, with asyncio (`grpc.aio`). It lacks the same as `stack_sync.py`."""

import asyncio

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from . import messages, tasks
from .messages import LIMIT, Failure, Status, greet, greet_services, test, test_services
from .stack_sync import (
    GZIP,
    add_services,
    client_options,
    compression,
    listening,
    refused_expectation,
    server_options,
    status,
    status_code,
    stubs,
    target,
)

VERSION = f"grpcio {grpc.__version__} (aio)"


class Greeter(greet_services.GreeterServicer):
    async def SayHello(self, request, context):
        return greet.HelloReply(message="Hello " + request.name)


class TestService(test_services.TestServiceServicer):
    async def EmptyCall(self, request, context):
        trailing = await echo_metadata(context)
        details = messages.status_details(context.invocation_metadata())
        if details is not None:
            trailing = (*trailing, (messages.GRPC_STATUS_DETAILS, details))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "details", trailing)
        return request

    async def UnaryCall(self, request, context):
        await end_as_wanted(request, context)
        if request.response_compressed.value:
            context.set_compression(GZIP)
        await echo_metadata(context)
        return test.SimpleResponse(payload=messages.zeros(request.response_size))

    async def StreamingOutputCall(self, request, context):
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(GZIP)
        await echo_metadata(context)
        async for response in responses(request, context):
            yield response

    async def StreamingInputCall(self, requests, context):
        await echo_metadata(context)
        size = 0
        async for request in requests:
            await end_as_wanted(request, context)
            size += len(request.payload.body)
        return test.StreamingInputCallResponse(aggregated_payload_size=size)

    async def FullDuplexCall(self, requests, context):
        await echo_metadata(context)
        async for request in requests:
            async for response in responses(request, context):
                yield response

    async def HalfDuplexCall(self, requests, context):
        await echo_metadata(context)
        for request in [request async for request in requests]:
            async for response in responses(request, context):
                yield response


async def responses(request, context):
    await end_as_wanted(request, context)
    for parameters in request.response_parameters:
        await asyncio.sleep(parameters.interval_us / 1e6)
        if not parameters.compressed.value:
            context.disable_next_message_compression()
        yield test.StreamingOutputCallResponse(payload=messages.zeros(parameters.size))


async def echo_metadata(context):
    initial, trailing = messages.echoes(context.invocation_metadata())
    await context.send_initial_metadata(initial)
    context.set_trailing_metadata(trailing)
    return trailing


async def end_as_wanted(request, context):
    refused = refused_expectation(request)
    if refused:
        await context.abort(*refused)
    wanted = messages.wanted_status(request)
    if wanted:
        await context.abort(status_code(wanted.code), wanted.message)


def serve(options):
    asyncio.run(serve_until_stopped(options))


async def serve_until_stopped(options):
    server = grpc.aio.server(options=server_options(options))
    health_service = health.aio.HealthServicer()
    add_services(server, Greeter(), TestService())
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    await health_service.set(messages.TEST_SERVICE, health_pb2.HealthCheckResponse.SERVING)
    ports = [server.add_insecure_port(target(address)) for address in options.addresses]
    await server.start()
    for address, port in zip(options.addresses, ports):
        print(f"listening on {listening(address, port)}", flush=True)
    await tasks.stopped()
    await server.stop(grace=5)


class Client(tasks.Client):
    def __init__(self, options):
        self.channel = grpc.aio.insecure_channel(target(options.address), options=client_options(options))
        self.stubs = stubs(self.channel)

    async def unary(self, method, request, metadata=(), timeout=LIMIT, compressed=False):
        call = self.stubs[method](
            request, metadata=metadata, timeout=timeout, compression=compression(compressed)
        )
        try:
            return await call, await call.initial_metadata(), await call.trailing_metadata()
        except grpc.aio.AioRpcError as error:
            raise status(error) from None

    async def call(self, method, request=None, metadata=(), timeout=LIMIT, compressed=False):
        options = {"metadata": metadata, "timeout": timeout, "compression": compression(compressed)}
        stub = self.stubs[method]
        return Call(stub(**options) if request is None else stub(request, **options))

    async def health(self, service):
        stub = health_pb2_grpc.HealthStub(self.channel)
        try:
            response = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT)
        except grpc.aio.AioRpcError as error:
            raise status(error) from None
        return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)

    async def services(self):
        call = reflection_pb2_grpc.ServerReflectionStub(self.channel).ServerReflectionInfo(timeout=LIMIT)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        response = await call.read()
        await call.done_writing()
        return [service.name for service in response.list_services_response.service]

    async def in_time(self, case):
        # A status that arrives during a write becomes INTERNAL (github.com/grpc/grpc/issues/36066). It is tried again.
        for attempt in range(10):
            try:
                return await super().in_time(case)
            except (Failure, Status) as error:
                if "Internal error from Core" not in str(error) or attempt == 9:
                    raise

    async def close(self):
        await self.channel.close()


class Call:
    def __init__(self, call):
        self.call = call

    async def send(self, message):
        try:
            await self.call.write(message)
        except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            pass  # `receive` tells why the call has ended.

    async def finish_sending(self):
        await self.call.done_writing()

    async def receive(self):
        try:
            if not hasattr(self.call, "read"):
                return await self.call
            response = await self.call.read()
            return None if response is grpc.aio.EOF else response
        except grpc.aio.AioRpcError as error:
            raise status(error) from None
        except asyncio.CancelledError:
            if not self.call.cancelled():
                raise
            raise Status((await self.call.code()).name, await self.call.details()) from None

    async def cancel(self):
        self.call.cancel()

    async def metadata(self):
        return await self.call.initial_metadata(), await self.call.trailing_metadata()
