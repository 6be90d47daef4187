"""What a server has been asked and what it answered, in plain numbers."""

import threading
from collections.abc import Iterator


class Counters:
    """Named counts. `counters["GET /v1/customers 200"]` is 0 until it happened."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        #: Every request with its parameters, in the order of answering, while this is a list.
        self.log: list[str] | None = None
        self._lock = threading.Lock()

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more of `name`."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def request(self, method: str, endpoint: str, status: int, address: str = "") -> None:
        """Count one answered request in the totals and under its endpoint and status."""
        with self._lock:
            if self.log is not None:
                self.log.append(f"{method} {address}")
            for name in (
                "requests",
                method,
                f"{method} {endpoint}",
                f"{method} {endpoint} {status}",
                str(status),
            ):
                self._counts[name] = self._counts.get(name, 0) + 1

    @property
    def requests(self) -> int:
        """How many requests came in, refused and broken ones included."""
        return self["requests"]

    @property
    def gets(self) -> int:
        """How many of them were GETs: what Stripe's read allocation counts."""
        return self["GET"]

    def __getitem__(self, name: str) -> int:
        return self._counts.get(name, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._counts))

    def snapshot(self) -> dict[str, int]:
        """Return all counts at this moment, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def reset(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._counts.clear()
