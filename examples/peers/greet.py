"""greet.Greeter in Python, on grpcio (gRPC C-core).

    greet.py serve ADDRESS          prints `listening on ADDRESS`, serves until SIGTERM
    greet.py greet ADDRESS NAME     one call; prints the reply

With --default-authority the client keeps C-core's own `:authority`, which on a Unix socket is the percent-encoded path.
The two messages have one string each, so they are read and written here by hand: no code generator is needed.
"""

import signal
import sys
from concurrent import futures

import grpc


def write(text):
    data = text.encode()
    assert len(data) < 128
    return bytes([0x0A, len(data)]) + data


def read(message):
    return message[2 : 2 + message[1]].decode() if message else ""


def serve(address):
    def say_hello(request, context):
        return "Hello " + request

    handler = grpc.unary_unary_rpc_method_handler(say_hello, request_deserializer=read, response_serializer=write)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("greet.Greeter", {"SayHello": handler})])
    if not server.add_insecure_port(address):
        sys.exit(f"cannot listen on {address}")
    server.start()
    print(f"listening on {address}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(1))
    server.wait_for_termination()


def greet(address, name, options):
    with grpc.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary("/greet.Greeter/SayHello", request_serializer=write, response_deserializer=read)
        try:
            print(call(name, timeout=10))
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    options = [] if "--default-authority" in sys.argv else [("grpc.default_authority", "localhost")]
    if words[:1] == ["serve"] and len(words) == 2:
        serve(words[1])
    elif words[:1] == ["greet"] and len(words) == 3:
        greet(words[1], words[2], options)
    else:
        sys.exit(__doc__)


main()
