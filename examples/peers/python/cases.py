"""gRPC's cases (`interop-test-descriptions.md`), on the client of any stack. Each call has a deadline.

A client has

    unary(method, request, metadata, timeout, compressed)   the response, and the initial and trailing metadata
    unary_all(method, requests)                             calls at once; the responses
    call(method, request, metadata, timeout, compressed)    a `Call`; without `request`, a stream of requests
    health(service), services()                             the stack's own clients of health and reflection

and a `Call` has `send`, `finish_sending`, `receive` (a response, or `None` after the last), `metadata` and `cancel`.
They raise `Status` if the call ends with another status than OK.
"""

import os

from .messages import INITIAL, TRAILING, Failure, Status, ask, test, zeros

REQUEST_SIZES = [27_182, 8, 1_828, 45_904]
RESPONSE_SIZES = [31_415, 9, 2_653, 58_979]


async def empty_unary(client):
    await client.unary("EmptyCall", test.Empty())


async def large_unary(client):
    response, *_ = await client.unary("UnaryCall", large_request())
    check_zeros(response, 314_159)


async def client_streaming(client):
    requests = [test.StreamingInputCallRequest(payload=zeros(size)) for size in REQUEST_SIZES]
    check_equal("total size", await upload(client, requests), 74_922)


async def server_streaming(client):
    parameters = [test.ResponseParameters(size=size) for size in RESPONSE_SIZES]
    request = test.StreamingOutputCallRequest(response_parameters=parameters)
    await check_responses(await client.call("StreamingOutputCall", request), RESPONSE_SIZES)


async def ping_pong(client):
    call = await client.call("FullDuplexCall")
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        await call.send(ask(response_size, request_size))
        check_zeros(await call.receive(), response_size)
    await call.finish_sending()
    await check_responses(call, [])


async def empty_stream(client):
    call = await client.call("FullDuplexCall")
    await call.finish_sending()
    await check_responses(call, [])


async def custom_metadata(client):
    metadata = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]

    def check_echoes(initial, trailing):
        check_equal("initial metadata", values(initial, INITIAL), [metadata[0][1]])
        check_equal("trailing metadata", values(trailing, TRAILING), [metadata[1][1]])

    response, *echoes = await client.unary("UnaryCall", large_request(), metadata=metadata)
    check_zeros(response, 314_159)
    check_echoes(*echoes)
    call = await client.call("FullDuplexCall", metadata=metadata)
    await call.send(ask(314_159, 271_828))
    await call.finish_sending()
    await check_responses(call, [314_159])
    check_echoes(*await call.metadata())


async def status_code_and_message(client):
    status = test.EchoStatus(code=2, message="test status message")
    request = test.SimpleRequest(response_status=status)
    await check_status("UNKNOWN", status.message, client.unary("UnaryCall", request))
    call = await client.call("FullDuplexCall")
    await call.send(test.StreamingOutputCallRequest(response_status=status))
    await call.finish_sending()
    await check_status("UNKNOWN", status.message, call.receive())


async def special_status_message(client):
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    request = test.SimpleRequest(response_status=test.EchoStatus(code=2, message=message))
    await check_status("UNKNOWN", message, client.unary("UnaryCall", request))


async def unimplemented_method(client):
    await check_status("UNIMPLEMENTED", None, client.unary("UnimplementedCall", test.Empty()))


async def unimplemented_service(client):
    await check_status("UNIMPLEMENTED", None, client.unary("Absent", test.Empty()))


async def cancel_after_begin(client):
    call = await client.call("StreamingInputCall")
    # This one follows it on the same connection: once it is answered, the server has heard of both.
    await client.unary("EmptyCall", test.Empty())
    await call.cancel()
    await check_status("CANCELLED", None, call.receive())


async def cancel_after_first_response(client):
    call = await client.call("FullDuplexCall")
    await call.send(ask(31_415, 27_182))
    check_zeros(await call.receive(), 31_415)
    await call.cancel()
    await check_status("CANCELLED", None, call.receive())


async def timeout_on_sleeping_server(client):
    async def call():
        call = await client.call("FullDuplexCall", timeout=0.001)
        await call.send(test.StreamingOutputCallRequest(payload=zeros(27_182)))
        await call.receive()

    await check_status("DEADLINE_EXCEEDED", None, call())


async def client_compressed_unary(client):
    def request(compressed):
        request = large_request()
        request.expect_compressed.value = compressed
        return request

    response, *_ = await client.unary("UnaryCall", request(True), compressed=True)
    check_zeros(response, 314_159)
    await check_status("INVALID_ARGUMENT", None, client.unary("UnaryCall", request(True)))
    response, *_ = await client.unary("UnaryCall", request(False))
    check_zeros(response, 314_159)


async def server_compressed_unary(client):
    for compressed in [True, False]:
        request = large_request()
        request.response_compressed.value = compressed
        response, *_ = await client.unary("UnaryCall", request)
        check_zeros(response, 314_159)


async def client_compressed_streaming(client):
    def request(compressed, body):
        payload = test.Payload(body=body)
        return test.StreamingInputCallRequest(expect_compressed=test.BoolValue(value=compressed), payload=payload)

    compressed = request(True, bytes(27_182))
    # grpcio cannot tell one message of a stream from another, but C-core does not compress what would not get smaller.
    uncompressed = request(False, os.urandom(45_904))
    check_equal("total size", await upload(client, [compressed, uncompressed], compressed=True), 73_086)
    await check_status("INVALID_ARGUMENT", None, upload(client, [compressed]))


async def server_compressed_streaming(client):
    parameters = [
        test.ResponseParameters(compressed=test.BoolValue(value=compressed), size=size)
        for compressed, size in [(True, 31_415), (False, 92_653)]
    ]
    request = test.StreamingOutputCallRequest(response_parameters=parameters)
    await check_responses(await client.call("StreamingOutputCall", request), [31_415, 92_653])


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


async def upload(client, requests, compressed=False):
    call = await client.call("StreamingInputCall", compressed=compressed)
    for request in requests:
        await call.send(request)
    await call.finish_sending()
    return (await call.receive()).aggregated_payload_size


def values(metadata, key):
    return [value for name, value in metadata if name == key]


def check_equal(what, seen, expected):
    if seen != expected:
        raise Failure(f"{what}: {seen!r} instead of {expected!r}")


def check_zeros(response, size):
    check_equal("size of the response", response and len(response.payload.body), size)
    check_equal("the response is zeros", response.payload.body == bytes(size), True)


async def check_responses(call, sizes):
    for size in sizes:
        check_zeros(await call.receive(), size)
    check_equal("a response after the last", await call.receive() is not None, False)


async def check_status(code, message, call):
    """Awaits the call, which ends with this status. Without `code`, it is any but OK."""
    try:
        await call
    except Status as status:
        if code is not None:
            check_equal(f"status with the message {status.message!r}", status.code, code)
        if message is not None:
            check_equal("message", status.message, message)
        return status
    raise Failure(f"succeeded, and not {code or 'refused'}")
