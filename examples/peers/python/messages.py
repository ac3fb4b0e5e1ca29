"""The messages and services of `proto/`, which `grpcio-tools` compiles at run time, and what all stacks share."""

import sys
from pathlib import Path

import grpc

PROTO = Path(__file__).parent.parent.parent.parent / "proto"
# The second one is not reached through the first: its package would be `grpc.testing`, inside of grpcio.
sys.path += [str(PROTO), str(PROTO / "grpc/testing")]
greet, greet_services = grpc.protos_and_services("greet.proto")
test, test_services = grpc.protos_and_services("test.proto")

SERVICES = [greet.DESCRIPTOR.services_by_name["Greeter"], test.DESCRIPTOR.services_by_name["TestService"]]
TEST_SERVICE = SERVICES[1].full_name

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
STATUS_DETAILS = "x-status-details-bin"
GRPC_STATUS_DETAILS = "grpc-status-details-bin"

# Seconds that a call may take, and a case.
LIMIT = 15
CASE_LIMIT = 20


class Status(Exception):
    """A call's status, unless it is OK. `code` is its name."""

    def __init__(self, code, message=None, trailing=()):
        super().__init__(f"status {code}: {message!r}")
        self.code = code
        self.message = message
        self.trailing = list(trailing)


class Failure(Exception):
    """Why a case failed."""


class NotApplicable(Exception):
    """The feature that the stack lacks."""


def zeros(size):
    return test.Payload(body=bytes(size))


def ask(response_size, request_size=0, interval_us=0):
    parameters = test.ResponseParameters(size=response_size, interval_us=interval_us)
    return test.StreamingOutputCallRequest(response_parameters=[parameters], payload=zeros(request_size))


# The addresses of all peers.


def parse(address):
    """An address as ("path", PATH), where an abstract name begins with NUL, or ("tcp", HOST, PORT)."""
    scheme, _, rest = address.partition(":")
    match scheme:
        case "unix":
            return "path", rest
        case "unix-abstract":
            return "path", "\0" + rest
        case "tcp":
            host, _, port = rest.rpartition(":")
            return "tcp", host, int(port)
        case "npipe":
            raise NotApplicable("Python's gRPC stacks have no named pipes")
    raise NotApplicable(f"no transport has the address {address}")


# What a server does with the metadata of a call.


def echoes(received):
    """The initial and the trailing metadata of the response."""
    received = list(received)
    return [[(key, value) for key, value in received if key == wanted] for wanted in [INITIAL, TRAILING]]


def status_details(received):
    return next((value for key, value in received if key == STATUS_DETAILS), None)


def wanted_status(request):
    """The status that a request asks for."""
    if "response_status" in request.DESCRIPTOR.fields_by_name and request.response_status.code:
        return request.response_status
    return None
