"""How fast calls go out: evenly spaced at a rate that gives way when the server says so, and recovers."""

import asyncio
from collections.abc import Callable

from aiolimiter import AsyncLimiter

_SLOWEST_SHARE = 0.05
_RECOVERY = 1.1


class Pace:
    """Lets calls through evenly, `requests_per_second` at most, and never more than two at once.

    A 429 halves the rate and holds every call back for as long as the server asked; each success after that brings a
    tenth of it back, up to the configured rate.
    """

    def __init__(
        self,
        requests_per_second: float,
        *,
        sleep: Callable[[float], "asyncio.Future[None]"] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._configured = requests_per_second
        self._sleep = sleep or asyncio.sleep
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._held_until = 0.0
        self.throttled = 0
        self.rate = requests_per_second
        self._limiter = _evenly(requests_per_second)

    async def turn(self) -> None:
        """Wait until the next call may go out."""
        await self._limiter.acquire()
        while (wait := self._held_until - self._clock()) > 0:
            await self._sleep(wait)

    def slow_down(self, pause: float | None) -> None:
        """Take a 429 to heart; `pause` is its Retry-After in seconds."""
        self.throttled += 1
        self._set(max(self.rate / 2, self._configured * _SLOWEST_SHARE))
        if pause:
            self._held_until = max(self._held_until, self._clock() + pause)

    def succeeded(self) -> None:
        """Go a little faster again, where the pace was slowed."""
        if self.rate < self._configured:
            self._set(min(self.rate * _RECOVERY, self._configured))

    def _set(self, rate: float) -> None:
        self.rate = rate
        self._limiter = _evenly(rate)


def _evenly(rate: float) -> AsyncLimiter:
    # Two, not one: a timer that wakes late must not cost the time that it was late.
    return AsyncLimiter(2, 2 / rate)
