"""The peer of the interoperability tests in Python, on grpclib.

`python/command.py` describes the command line.
"""

from python import command, stack_grpclib

command.main(stack_grpclib)
