"""Token buckets, as rate limiters of APIs use them. They run on machine time: requests do."""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Grants `rate` takes per second on average and at most `burst` (default: one second's worth) at once."""

    def __init__(
        self, rate: float, burst: float | None = None, *, machine: Callable[[], float] = time.monotonic
    ) -> None:
        if rate <= 0:
            raise ValueError(f"a token bucket needs a rate above 0, got {rate}")
        self.rate = rate
        self.burst = max(1.0, rate if burst is None else burst)
        self._machine = machine
        self._tokens = self.burst
        self._filled_at = machine()
        self._lock = threading.Lock()

    def take(self, tokens: float = 1.0) -> bool:
        """Take tokens if they are there; `False` means that the request is over the limit."""
        with self._lock:
            now = self._machine()
            self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
            self._filled_at = now
            if self._tokens < tokens:
                return False
            self._tokens -= tokens
            return True

    def wait_seconds(self, tokens: float = 1.0) -> float:
        """Say how long it takes until `tokens` will be there."""
        with self._lock:
            missing = tokens - self._tokens - (self._machine() - self._filled_at) * self.rate
            return max(0.0, missing / self.rate)


class Buckets:
    """One bucket per name, made when the name is first seen; a changed rate makes new buckets."""

    def __init__(self, *, machine: Callable[[], float] = time.monotonic) -> None:
        self._machine = machine
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, rate: float) -> bool:
        """Take one token from the bucket of that name, which refills with `rate` per second."""
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[name] = TokenBucket(rate, machine=self._machine)
        return bucket.take()
