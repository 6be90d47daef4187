"""Reading a list request's parameters as strictly as Stripe does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from stripe_cio_pipeline.sandbox.stripe import errors

MAX_EXPAND_DEPTH = 4
_NAME = re.compile(r"^([a-z_]+)((?:\[[a-z0-9_]*\])*)$")
_WHOLE = re.compile(r"^-?\d+$")
_BOUNDS = frozenset({"gt", "gte", "lt", "lte"})


@dataclass(frozen=True, slots=True)
class Range:
    """A half-open range of whole seconds: low <= t < high. `None` leaves a side open."""

    low: int | None = None
    high: int | None = None

    def holds(self, moment: int) -> bool:
        """Tell whether a moment lies inside."""
        return (self.low is None or moment >= self.low) and (self.high is None or moment < self.high)


@dataclass(slots=True)
class Query:
    """A parsed request: scalars, ranges and arrays by parameter name."""

    values: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    arrays: dict[str, list[str]] = field(default_factory=dict)
    objects: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def expand(self) -> list[str]:
        """The paths to expand."""
        return self.arrays.get("expand", [])

    @property
    def names(self) -> set[str]:
        """Every parameter that was given."""
        return {*self.values, *self.ranges, *self.arrays, *self.objects}


def parse(text: bytes) -> Query:
    """Parse a query string; both array spellings, `expand[]=` and `expand[0]=`, are understood."""
    query = Query()
    bounds: dict[str, dict[str, str]] = {}
    numbered: dict[str, dict[int, str]] = {}
    for name, value in parse_qsl(text.decode(errors="replace"), keep_blank_values=True):
        match = _NAME.match(name)
        if match is None:
            raise errors.unknown_parameter(name)
        base, brackets = match[1], match[2]
        if not brackets:
            query.values[base] = value
            continue
        keys = brackets[1:-1].split("][")
        if len(keys) > 1:
            # What a client sends that encodes a list of lists, for example `expand[][0]`.
            raise errors.invalid("Invalid string: must be a string, not a hash or an array", base)
        key = keys[0]
        if key == "" or key.isdigit():
            order = numbered.setdefault(base, {})
            order[len(order) if key == "" else int(key)] = value
        elif key in _BOUNDS:
            bounds.setdefault(base, {})[key] = value
        else:
            query.objects.setdefault(base, {})[key] = value
    for base, order in numbered.items():
        query.arrays[base] = [order[position] for position in sorted(order)]
    for base, given in bounds.items():
        query.ranges[base] = _range(base, given)
    return query


def whole(query: Query, name: str) -> int | None:
    """Return a whole-number parameter."""
    text = query.values.get(name)
    if text is None:
        return None
    if not _WHOLE.match(text):
        raise errors.invalid(f"Invalid integer: {text}", name, code="parameter_invalid_integer")
    return int(text)


def limit(query: Query) -> int:
    """Return the page size, 1 to 100, 10 when it is not given."""
    size = whole(query, "limit")
    if size is None:
        return 10
    if not 1 <= size <= 100:
        word = "greater than or equal to 1" if size < 1 else "less than or equal to 100"
        raise errors.invalid(f"This value must be {word} (it currently is '{size}').", "limit")
    return size


def moments(query: Query, name: str) -> Range | None:
    """Return a range parameter, given as bounds or as one whole second."""
    if name in query.ranges:
        return query.ranges[name]
    exact = whole(query, name)
    return None if exact is None else Range(exact, exact + 1)


def check_names(query: Query, known: frozenset[str], hashes: frozenset[str] = frozenset()) -> None:
    """Refuse parameters that an endpoint does not have; only those in `hashes` may be given as `name[key]`."""
    for name in sorted(query.names):
        if name not in known:
            raise errors.unknown_parameter(name)
    for name, keys in query.objects.items():
        if name not in hashes:
            raise errors.unknown_parameter(f"{name}[{next(iter(keys))}]")


def check_expand(paths: list[str]) -> None:
    """Refuse expansions deeper than four levels."""
    for path in paths:
        if path.count(".") + 1 > MAX_EXPAND_DEPTH:
            raise errors.invalid(
                f"You cannot expand more than {MAX_EXPAND_DEPTH} levels of a property. Property: {path}", "expand"
            )


def _range(name: str, given: Mapping[str, str]) -> Range:
    numbers = {}
    for bound, text in given.items():
        if not _WHOLE.match(text):
            raise errors.invalid(f"Invalid integer: {text}", f"{name}[{bound}]", "parameter_invalid_integer")
        numbers[bound] = int(text)
    lows = [numbers["gte"]] if "gte" in numbers else []
    lows += [numbers["gt"] + 1] if "gt" in numbers else []
    highs = [numbers["lt"]] if "lt" in numbers else []
    highs += [numbers["lte"] + 1] if "lte" in numbers else []
    return Range(max(lows, default=None), min(highs, default=None))
