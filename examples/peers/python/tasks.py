"""What the stacks on asyncio share."""

import asyncio
import signal

from .messages import CASE_LIMIT, Failure


async def stopped():
    """Waits for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in [signal.SIGINT, signal.SIGTERM]:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


class Client:
    # Why a case is not applicable.
    lacks = {}

    async def unary_all(self, method, requests):
        answers = await asyncio.gather(*[self.unary(method, request) for request in requests])
        return [response for response, *_ in answers]

    async def in_time(self, case):
        try:
            return await asyncio.wait_for(case(self), CASE_LIMIT)
        except asyncio.TimeoutError:
            raise Failure(f"not finished within {CASE_LIMIT} seconds") from None
