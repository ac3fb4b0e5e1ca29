"""The peer of the interoperability tests in Python, on grpcio (gRPC's C-core) with asyncio.

`python/command.py` describes the command line.
"""

from python import command, stack_aio

command.main(stack_aio)
