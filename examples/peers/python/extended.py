"""More cases than gRPC's own, with the same names in all peers."""

import time

from . import messages
from .cases import check_equal, check_responses, check_status, check_zeros, values
from .messages import INITIAL, STATUS_DETAILS, TRAILING, Status, ask, test, zeros

MIB = 1024 * 1024
DAY = 24 * 60 * 60


async def message_sizes(client):
    for size in [0, 4 * MIB - 1024, 4 * MIB + 1, 64 * MIB]:
        response, *_ = await client.unary("UnaryCall", sized(size, size))
        check_zeros(response, size)


async def message_too_large(client):
    await check_status("RESOURCE_EXHAUSTED", None, client.unary("UnaryCall", sized(4 * MIB + 1)))
    await check_next_call(client)


async def binary_metadata(client):
    every_padding = [[bytes(range(length))] for length in range(6)]
    for sent in [*every_padding, [bytes(range(256))], [b"one", b"\x00\xff"]]:
        metadata = [(TRAILING, value) for value in sent]
        _, _, trailing = await client.unary("EmptyCall", test.Empty(), metadata=metadata)
        check_equal("trailing metadata", values(trailing, TRAILING), sent)


async def large_metadata(client):
    value = "m" * 6 * 1024
    _, initial, _ = await client.unary("EmptyCall", test.Empty(), metadata=[(INITIAL, value)])
    check_equal("6 KiB came back", values(initial, INITIAL) == [value], True)
    await check_status(None, None, client.unary("EmptyCall", test.Empty(), metadata=[(INITIAL, "m" * MIB)]))
    await check_next_call(client)


async def many_calls(client):
    responses = await client.unary_all("UnaryCall", [sized(0, size) for size in range(1000)])
    for size, response in enumerate(responses):
        check_zeros(response, size)


async def trailers_only(client):
    call = await client.call("FullDuplexCall")
    await call.send(ending(5, "nothing but a status"))
    await call.finish_sending()
    await check_status("NOT_FOUND", "nothing but a status", call.receive())


CODES = """CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS
UNAUTHENTICATED""".split()


async def every_status(client):
    message = "ü € 😀 % \t \r\n"
    for code, name in enumerate(CODES, 1):
        status = test.EchoStatus(code=code, message=message)
        await check_status(name, message, client.unary("UnaryCall", test.SimpleRequest(response_status=status)))


async def status_details(client):
    # `google.rpc.Status` with code 3, its message, and no, one or two empty details: 11, 13 and 15 bytes.
    for details in range(3):
        sent = b"\x08\x03\x12\x07details" + details * b"\x1a\x00"
        call = client.unary("EmptyCall", test.Empty(), metadata=[(STATUS_DETAILS, sent)])
        status = await check_status("INVALID_ARGUMENT", "details", call)
        check_equal("status details", values(status.trailing, messages.GRPC_STATUS_DETAILS), [sent])


async def deadlines(client):
    for timeout in [5, 100, 3 * 60 * 60, 30 * DAY]:
        await client.unary("EmptyCall", test.Empty(), timeout=timeout)
    # A busy machine may need longer than the shortest of them.
    for _ in range(20):
        try:
            return await client.unary("EmptyCall", test.Empty(), timeout=0.05)
        except Status as status:
            last = status
    raise last


async def deadline_passed(client):
    # Not 0: C-core answers such a call if the server is faster than its timer.
    await check_status("DEADLINE_EXCEEDED", None, client.unary("EmptyCall", test.Empty(), timeout=-1))
    await check_next_call(client)


async def cancel_phases(client):
    async def at_once():
        return await client.call("FullDuplexCall")

    async def after_headers():
        call = await client.call("FullDuplexCall")
        # As in `cancel_after_begin`.
        await check_next_call(client)
        return call

    async def after_first_message_sent():
        call = await client.call("FullDuplexCall")
        await call.send(test.StreamingOutputCallRequest(payload=zeros(1000)))
        await check_next_call(client)
        return call

    async def after_first_message_received():
        call = await client.call("FullDuplexCall")
        await call.send(ask(1000))
        check_zeros(await call.receive(), 1000)
        return call

    async def after_half_close():
        call = await client.call("FullDuplexCall")
        await call.send(ask(1000, interval_us=10_000_000))
        await call.finish_sending()
        await check_next_call(client)
        return call

    async def when_half_is_read():
        # More than any stack reads ahead.
        parameters = [test.ResponseParameters(size=MIB)] * 16
        call = await client.call(
            "StreamingOutputCall", test.StreamingOutputCallRequest(response_parameters=parameters)
        )
        for _ in range(8):
            check_zeros(await call.receive(), MIB)
        return call

    for phase in [
        at_once,
        after_headers,
        after_first_message_sent,
        after_first_message_received,
        after_half_close,
        when_half_is_read,
    ]:
        call = await phase()
        await call.cancel()
        await check_status("CANCELLED", None, drain(call))
        await check_next_call(client)


async def drain(call):
    """Responses that had arrived before the cancellation may still be read."""
    while await call.receive():
        pass


async def empty_streams(client):
    call = await client.call("StreamingInputCall")
    await call.finish_sending()
    check_equal("total size", (await call.receive()).aggregated_payload_size, 0)
    for method in ["FullDuplexCall", "HalfDuplexCall"]:
        call = await client.call(method)
        await call.finish_sending()
        await check_responses(call, [])


async def early_status(client):
    call = await client.call("FullDuplexCall")
    await call.send(ending(9, "early"))
    for _ in range(128):
        await call.send(test.StreamingOutputCallRequest(payload=zeros(64 * 1024)))
    await call.finish_sending()
    await check_status("FAILED_PRECONDITION", "early", call.receive())
    await check_next_call(client)


async def connection_age(client):
    end = time.monotonic() + 3
    while time.monotonic() < end:
        await check_next_call(client)
        for response in await client.unary_all("UnaryCall", [sized(1000, 1000)] * 8):
            check_zeros(response, 1000)


async def health(client):
    for service in ["", messages.TEST_SERVICE]:
        check_equal(f"status of {service!r}", await client.health(service), "SERVING")
    await check_status("NOT_FOUND", None, client.health("no.such.Service"))


async def reflection(client):
    services = list(await client.services())
    check_equal(f"{messages.TEST_SERVICE} is one of {services}", messages.TEST_SERVICE in services, True)


EXTENDED = [
    message_sizes,
    message_too_large,
    binary_metadata,
    large_metadata,
    many_calls,
    trailers_only,
    every_status,
    status_details,
    deadlines,
    deadline_passed,
    cancel_phases,
    empty_streams,
    early_status,
    connection_age,
    health,
    reflection,
]


def sized(request_size, response_size=0):
    return test.SimpleRequest(response_size=response_size, payload=zeros(request_size))


def ending(code, message):
    return test.StreamingOutputCallRequest(response_status=test.EchoStatus(code=code, message=message))


async def check_next_call(client):
    await client.unary("EmptyCall", test.Empty())
