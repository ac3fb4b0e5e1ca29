"""`ipc.bench.Bench` in Python, on grpcio's asynchronous server and client.

    bench.py serve ADDRESS                    prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
    bench.py bench ADDRESS SECONDS SHAPE...   measures kinds of calls, two lines each (`benches/shapes`)
    bench.py version                          prints the versions

The shapes are unary-IN_FLIGHT-BYTES, download-BYTES, upload-BYTES and connect-BYTES.
"""

import asyncio
import platform
import signal
import sys
import time
from pathlib import Path

import grpc

sys.path.append(str(Path(__file__).parent.parent.parent.parent / "proto"))
# Messages of 1 MiB and their field's head are below the default limit of 4 MiB.
bench, services = grpc.protos_and_services("bench.proto")

TRANSFER = 32 * 1024 * 1024
MESSAGES = 20_000


class Bench(services.BenchServicer):
    async def Echo(self, request, context):
        return request

    async def Download(self, request, context):
        chunk = bench.Chunk(payload=bytes(request.size))
        for _ in range(request.count):
            yield chunk

    async def Upload(self, requests, context):
        count = size = 0
        async for chunk in requests:
            count += 1
            size += len(chunk.payload)
        return bench.Total(count=count, bytes=size)


async def serve(address):
    server = grpc.aio.server()
    services.add_BenchServicer_to_server(Bench(), server)
    server.add_insecure_port(address)
    await server.start()
    print(f"listening on {address}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(5)


async def unary(stub, end, in_flight, size):
    chunk = bench.Chunk(payload=bytes(size))
    latencies = []

    async def caller():
        begin = time.perf_counter()
        while begin < end:
            answer = await stub.Echo(chunk)
            check(len(answer.payload), size)
            now = time.perf_counter()
            latencies.append(now - begin)
            begin = now

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return len(latencies), latencies


async def download(stub, end, size):
    received = 0
    while time.perf_counter() < end:
        async for chunk in stub.Download(bench.Transfer(count=messages(size), size=size)):
            check(len(chunk.payload), size)
            received += 1
    return received, []


async def upload(stub, end, size):
    chunk = bench.Chunk(payload=bytes(size))
    count = messages(size)
    sent = 0
    while time.perf_counter() < end:
        total = await stub.Upload(chunk for _ in range(count))
        check(total.count, count)
        sent += count
    return sent, []


async def connect(address, end, size):
    latencies = []
    while time.perf_counter() < end:
        begin = time.perf_counter()
        async with channel(address) as one:
            await services.BenchStub(one).Echo(bench.Chunk(payload=bytes(size)))
            latencies.append(time.perf_counter() - begin)
    return len(latencies), latencies


def messages(size):
    return min(max(TRANSFER // size, 1), MESSAGES)


def channel(address):
    # Without this, channels to one address share a connection.
    return grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def check(seen, expected):
    if seen != expected:
        sys.exit(f"{seen} instead of {expected}")


async def measure(address, stub, shape, seconds):
    kind, *numbers = shape.split("-")
    numbers = [int(number) for number in numbers]
    begin = time.perf_counter()
    end = begin + seconds
    if kind == "connect":
        count, latencies = await connect(address, end, *numbers)
    else:
        count, latencies = await {"unary": unary, "download": download, "upload": upload}[kind](stub, end, *numbers)
    figures = f"count {count} seconds {time.perf_counter() - begin:.6f}"
    latencies.sort()
    for name, slower in (("p50", 500), ("p99", 10), ("p99.9", 1)):
        above = len(latencies) * slower // 1000
        if above > 0:
            figures += f" {name} {latencies[-above] * 1e6:.1f}"
    return figures


async def run(address, seconds, shapes):
    async with channel(address) as one:
        stub = services.BenchStub(one)
        for shape in shapes:
            await measure(address, stub, shape, seconds / 5)
            print(f"{shape} begins", flush=True)
            print(f"{shape} {await measure(address, stub, shape, seconds)}", flush=True)


match sys.argv[1:]:
    case ["version"]:
        print(f"grpcio {grpc.__version__}, Python {platform.python_version()}")
    case ["serve", address]:
        asyncio.run(serve(address))
    case ["bench", address, seconds, *shapes]:
        asyncio.run(run(address, float(seconds), shapes))
    case _:
        sys.exit(__doc__)
