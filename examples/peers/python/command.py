"""The command line of the peers in Python.

    serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
    call ADDRESS [CASE...]     gRPC's interoperability cases, or with `--extended` more, a line each; exits with 1 when
                               one fails
    greet ADDRESS NAME         one call; prints the reply
    version                    the versions of the stack and of Python

The channel has the stack's own options, and so its own `:authority`, which on a Unix socket is the percent-encoded path
for grpcio; `--authority NAME` makes it another. With TLS, for grpcio with threads: `serve … --tls CERTIFICATE.pem
KEY.pem`, and `--tls AUTHORITY.pem` for the others.
"""

import argparse
import asyncio
import platform
import sys

from .cases import CASES
from .extended import EXTENDED
from .messages import Failure, NotApplicable, Status, greet


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["version", "serve", "call", "greet"])
    parser.add_argument("words", nargs="*", metavar="ADDRESS, CASE or NAME")
    parser.add_argument("--authority", metavar="NAME")
    parser.add_argument("--extended", action="store_true")
    parser.add_argument("--max-message-size", type=int, metavar="BYTES")
    parser.add_argument("--max-connection-age", type=float, metavar="SECONDS")
    parser.add_argument("--tls", nargs="+", metavar="FILE")
    options = parser.parse_intermixed_args()
    if options.command != "version" and not options.words:
        parser.error("an address is missing")
    options.addresses = options.words
    options.address, *options.names = options.words or [None]
    return options


async def run_cases(stack, options):
    known = {case.__name__: case for case in [*CASES, *EXTENDED]}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        sys.exit(f"unknown case {unknown[0]!r}; the cases are: {', '.join(known)}")
    cases = [known[name] for name in options.names] or (EXTENDED if options.extended else CASES)
    client = stack.Client(options)
    passed = True
    for case in cases:
        try:
            if case.__name__ in client.lacks:
                raise NotApplicable(client.lacks[case.__name__])
            await client.in_time(case)
            outcome = "passed"
        except NotApplicable as why:
            outcome = f"not applicable: {why}"
        except Exception as why:
            passed = False
            outcome = f"failed: {why if isinstance(why, (Failure, Status)) else repr(why)}"
        print(f"{case.__name__}: {outcome}", flush=True)
    await client.close()
    return passed


async def greet_once(stack, options):
    client = stack.Client(options)
    try:
        response, *_ = await client.unary("SayHello", greet.HelloRequest(name=options.names[0]))
        print(response.message)
    except Status as status:
        sys.exit(f"{status.code}: {status.message}")
    finally:
        await client.close()


def main(stack):
    options = arguments()
    try:
        if options.command == "version":
            print(f"{stack.VERSION}, Python {platform.python_version()}")
        elif options.command == "serve":
            stack.serve(options)
        elif options.command == "greet":
            asyncio.run(greet_once(stack, options))
        elif not asyncio.run(run_cases(stack, options)):
            sys.exit(1)
    except NotApplicable as why:
        print(f"not applicable: {why}", file=sys.stderr)
        sys.exit(2)
