"""Remembering which API versions and unknown shapes were met: what the asset check and `status` show."""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from stripe_cio_pipeline.extract.shapes import Verdict
from stripe_cio_pipeline.warehouse import Connection, Statements, replace

_SQL = Statements("stripe_cio_pipeline.extract.sql")

_KEY = ("object", "source", "api_version", "verdict", "missing")
_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class ShapeFinding:
    """Payloads that were not of the pinned version's shape.

    `source` is `event`, `list` or `retrieve`; `missing` names fields that the pinned version always gives. `alarming`
    is what an older version is not: it is known, and its objects are read again as a matter of course.
    """

    object: str
    source: str
    api_version: str
    verdict: str
    missing: str
    payloads: int
    first_at: datetime
    last_at: datetime

    @property
    def alarming(self) -> bool:
        """Whether somebody should look: a version newer than the pin or unknown, or a field gone from it."""
        return self.verdict in {Verdict.NEWER.value, Verdict.UNKNOWN.value} or (
            self.verdict == Verdict.PINNED.value and bool(self.missing)
        )


def shape_findings(connection: Connection) -> tuple[ShapeFinding, ...]:
    """Give all that was ever met, the newest first."""
    return tuple(ShapeFinding(*row) for row in connection.execute(_SQL["shape_findings"]).fetchall())


class Sightings:
    """Counts payloads of other shapes until a transaction takes the counts along."""

    def __init__(self) -> None:
        self._new: Counter[_Key] = Counter()
        self._all: Counter[_Key] = Counter()
        self._lock = threading.Lock()

    def note(self, name: str, source: str, version: str | None, verdict: Verdict, missing: tuple[str, ...]) -> None:
        """Note a payload that is not of the pinned shape."""
        key = (name, source, version or "none", verdict.value, ", ".join(missing))
        with self._lock:
            self._new[key] += 1
            self._all[key] += 1

    def warnings(self) -> list[str]:
        """Say what somebody should look at, one sentence each."""
        sentences = []
        for (name, source, version, verdict, missing), count in sorted(self._all.items()):
            if verdict in {Verdict.NEWER.value, Verdict.UNKNOWN.value}:
                sentences.append(
                    f"{count} {source} payloads of {name} are in API version {version}, which this release does "
                    "not know; each was read again in the pinned version. Look for a newer release."
                )
            elif verdict == Verdict.PINNED.value and missing:
                sentences.append(
                    f"{count} {source} payloads of {name} lack {missing}; known values were kept. "
                    "Stripe's answer has an unknown shape: look for a newer release."
                )
        return sentences

    def save(self, connection: Connection, run_id: str) -> None:
        """Write the new counts in the caller's transaction."""
        with self._lock:
            new, self._new = self._new, Counter()
        now = datetime.now(UTC).replace(tzinfo=None)
        for key, count in new.items():
            known = connection.execute(_SQL["shape_known"], list(key)).fetchone()
            payloads, first_at = (int(known[0]), known[1]) if known else (0, now)
            seen = {"payloads": payloads + count, "first_at": first_at, "last_at": now, "run_id": run_id}
            replace(connection, "pipeline.shapes", _KEY, [dict(zip(_KEY, key, strict=True)) | seen])
