"""A client in Python of the server in `console.rs`.

    pip install grpcio grpcio-tools
    python greet.py unix:/run/user/1000/topics.sock Ada

prints `Hello Ada`. The server prints its address. Python reaches Unix domain sockets and TCP, and no named pipes.
"""

import sys
from pathlib import Path

import grpc

# Compiled when the program starts; `python -m grpc_tools.protoc` compiles it into files.
sys.path.append(str(Path(__file__).parent))
messages, services = grpc.protos_and_services("topics.proto")

address, name = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    greeter = services.GreeterStub(channel)
    try:
        reply = greeter.SayHello(messages.HelloRequest(name=name), timeout=5)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
    print(reply.message)
