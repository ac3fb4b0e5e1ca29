"""The peer of the interoperability tests in Python, on grpcio (gRPC's C-core) with threads.

`python/command.py` describes the command line.
"""

from python import command, stack_sync

command.main(stack_sync)
