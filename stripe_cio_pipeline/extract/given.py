"""How Stripe gives a field: the words in which `objects` says it of every path that a model reads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

How = Literal["default", "expand", "reading", "never"]
_GROUP = re.compile(r"(.*)\{(.*)\}(.*)")


@dataclass(frozen=True, slots=True)
class Given:
    """How Stripe gives what models read: by itself, by an expand, by another reading, or never at the pinned version.

    `by` is the path to expand, the address to read, or why there is nothing. `absent`: without the expand there is no
    such field, not even an id. `paths` are written as `stripe-cio lineage` shows them.
    """

    how: How
    by: str
    paths: tuple[str, ...]
    absent: bool = False


def by_default(paths: str) -> Given:
    """Declare what stands in every answer. Paths are apart by blanks; `a.{b,c}` are two."""
    return Given("default", "", tuple(_spread(paths)))


def by_expand(expand: str, paths: str, *, absent: bool = False) -> Given:
    """Declare what comes only when a path of the object is expanded."""
    return Given("expand", expand, tuple(_spread(paths)), absent)


def by_reading(address: str, paths: str) -> Given:
    """Declare what no list can give: another address is read for it."""
    return Given("reading", address, tuple(_spread(paths)))


def never(why: str, paths: str) -> Given:
    """Declare what the pinned version does not have. Models may read it: stored payloads and users' own are older."""
    return Given("never", why, tuple(_spread(paths)))


def _spread(paths: str) -> Iterator[str]:
    for path in paths.split():
        group = _GROUP.match(path)
        yield from [f"{group[1]}{each}{group[3]}" for each in group[2].split(",")] if group else [path]


@dataclass(frozen=True, slots=True)
class PerCurrency:
    """What comes only by the name of each currency, of objects of one sort: the tiers of a price in other currencies.

    A list cannot ask for it before it has shown which currencies there are, so such an object is read by id.
    """

    options: str
    field: str
    sort: tuple[str, str]

    def expands_of(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        """Give the paths to expand of one object that was not asked for by currency yet; none where there are none."""
        options = payload.get(self.options)
        if payload.get(self.sort[0]) != self.sort[1] or not isinstance(options, Mapping):
            return ()
        # The object's own currency has what the object itself has.
        others = {name for name, option in options.items() if self.field not in option} - {payload.get("currency")}
        return tuple(f"{self.options}.{name}.{self.field}" for name in sorted(others))
