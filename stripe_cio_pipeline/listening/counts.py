"""What is counted while events come in, as Prometheus reads it. No text from outside is ever a label."""

import threading
from collections import Counter, deque
from collections.abc import Iterable

from stripe_cio_pipeline.listening.inbox import Contents

#: Lags of so many of the last events make the quantiles.
_LAGS = 1_000

_HELP = {
    "requests_total": "Requests to the webhook's address, by the status of the answer.",
    "events_total": "Signed events, by what became of them at the door.",
    "waiting_events": "Events that are accepted and not in the warehouse yet.",
    "waiting_bytes": "Bytes of these.",
    "oldest_waiting_seconds": "How long the oldest of these has waited.",
    "elsewhere_events": "Events of another account or mode, and thin ones, that were accepted and left out.",
    "rounds_total": "Rounds of the worker, by how they ended.",
    "round_seconds": "How long its last round took.",
    "lag_seconds": "From an event at Stripe to the end of the round that delivered it, over the last events.",
}


class Counts:
    """Counters of this process. They are written by the door's thread and by the worker's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: Counter[int] = Counter()
        self.events: Counter[str] = Counter()
        self.rounds: Counter[str] = Counter()
        self.round_seconds = 0.0
        self._lags: deque[float] = deque(maxlen=_LAGS)

    def lagged(self, lags: Iterable[float]) -> None:
        """Note from when to when events took (seconds)."""
        with self._lock:
            self._lags.extend(lags)

    def quantile(self, share: float) -> float | None:
        """Give the lag that this share of the last events did not exceed; None before the first."""
        with self._lock:
            lags = sorted(self._lags)
        return lags[min(len(lags) - 1, int(share * len(lags)))] if lags else None

    def text(self, contents: Contents, now: float) -> str:
        """Write everything in Prometheus' text format."""
        oldest = 0.0 if contents.oldest_at is None else max(0.0, now - contents.oldest_at)
        lags = {f'quantile="{share}"': self.quantile(share) for share in (0.5, 0.95, 0.99)}
        families: list[tuple[str, str, dict[str, float]]] = [
            ("requests_total", "counter", {f'status="{status}"': n for status, n in sorted(self.requests.items())}),
            ("events_total", "counter", {f'outcome="{outcome}"': n for outcome, n in sorted(self.events.items())}),
            ("waiting_events", "gauge", {"": contents.waiting}),
            ("waiting_bytes", "gauge", {"": contents.bytes_waiting}),
            ("oldest_waiting_seconds", "gauge", {"": oldest}),
            ("elsewhere_events", "gauge", {"": sum(each.events for each in contents.elsewhere)}),
            ("rounds_total", "counter", {f'outcome="{outcome}"': n for outcome, n in sorted(self.rounds.items())}),
            ("round_seconds", "gauge", {"": self.round_seconds}),
            ("lag_seconds", "gauge", {label: lag for label, lag in lags.items() if lag is not None}),
        ]
        lines: list[str] = []
        for name, kind, values in families:
            full = f"stripe_cio_webhook_{name}"
            lines += [f"# HELP {full} {_HELP[name]}", f"# TYPE {full} {kind}"]
            lines += [
                f"{full}{{{labels}}} {value:g}" if labels else f"{full} {value:g}" for labels, value in values.items()
            ]
        return "\n".join(lines) + "\n"
