"""What is due when: the account's future, as data that can be saved."""

import heapq
from collections.abc import Iterator
from typing import Any

Entry = tuple[int, int, str, list[Any]]
"""(moment, order of entry, act, arguments)"""


class Agenda:
    """Acts by name, each due at a moment (unix seconds); what is due at one moment happens in order of entry."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._count = 0

    def add(self, moment: int, act: str, *arguments: Any) -> None:
        """Plan an act. Arguments must be plain JSON values."""
        self._count += 1
        heapq.heappush(self._entries, (int(moment), self._count, act, list(arguments)))

    def next_moment(self) -> int | None:
        """Say when the next act is due."""
        return self._entries[0][0] if self._entries else None

    def take(self) -> Entry:
        """Take the next act off."""
        return heapq.heappop(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries))

    def save_state(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {"count": self._count, "entries": sorted(self._entries)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self._count = state["count"]
        self._entries = [(entry[0], entry[1], entry[2], list(entry[3])) for entry in state["entries"]]
        heapq.heapify(self._entries)
