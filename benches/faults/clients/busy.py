"""busy.py ADDRESS: the client of the scenario `busy` with gRPC's C-core, on one connection.

It holds one call open, and reads commands from standard input, one on each line:

    deadlines COUNT            makes COUNT calls at once, which end at their deadline of 20 ms
    cancels PER_SECOND COUNT   makes COUNT calls, and cancels each after 10 to 20 ms
    calls COUNT                makes COUNT calls at once, which are answered after half a second

After each, it prints how many calls have ended as expected, and whether the open call is still open.
"""

import collections
import sys
import time

import grpc

FOREVER = 3_600_000


def pause(milliseconds):
    """The message `Pause`: field 1, a varint."""
    message = bytearray([0x08])
    while milliseconds > 0x7F:
        message.append(milliseconds & 0x7F | 0x80)
        milliseconds >>= 7
    message.append(milliseconds)
    return bytes(message)


def ended_with(calls, code):
    return sum(call.code() == code for call in calls)


def deadlines(wait, count):
    calls = [wait.future(pause(FOREVER), timeout=0.02) for _ in range(count)]
    return ended_with(calls, grpc.StatusCode.DEADLINE_EXCEEDED)


def cancels(wait, per_second, count):
    tick, earlier, cancelled = per_second // 100, collections.deque(), []
    begun = time.monotonic()
    for first in range(0, count, tick):
        earlier.append([wait.future(pause(FOREVER)) for _ in range(min(tick, count - first))])
        while len(earlier) > (1 if first + tick < count else 0):
            for call in earlier.popleft():
                call.cancel()
                cancelled.append(call.code())
        time.sleep(max(0, begun + (first + tick) / per_second - time.monotonic()))
    return sum(code == grpc.StatusCode.CANCELLED for code in cancelled)


def calls(wait, count):
    return ended_with([wait.future(pause(500)) for _ in range(count)], grpc.StatusCode.OK)


def main():
    channel = grpc.insecure_channel(sys.argv[1])
    wait = channel.unary_unary("/faults.Ledger/Wait")
    wait(pause(0), timeout=30)
    held = wait.future(pause(FOREVER))
    print("connected", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        work = {"deadlines": deadlines, "cancels": cancels, "calls": calls}[name]
        count = work(wait, *map(int, arguments))
        print(count, f"and the open call has ended: {held.code()}" if held.done() else "and open", flush=True)


main()
