"""Search over customers: a small query language, never complete, never used for completeness."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.stripe import errors, query
from stripe_cio_pipeline.sandbox.stripe.query import Query
from stripe_cio_pipeline.sandbox.stripe.resources import Resource
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload, Row, Shelf

MAX_CLAUSES = 10
_CLAUSE = re.compile(r"""^(-?)(\w+)(?:\[["'](.+?)["']\])?\s*(:|~|>=|<=|>|<)\s*["']?(.*?)["']?$""")
_FIELDS = frozenset({"created", "email", "metadata", "name", "phone"})


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    rows: list[Row]
    next_page: str | None


def search(resource: Resource, shelf: Shelf, asked: Query) -> Found:
    """Return the page that a search asks for; `page` is the number of rows to skip, spelled as an opaque text."""
    query.check_names(asked, frozenset({"query", "limit", "page", "expand"}))
    text = asked.values.get("query")
    if resource.object != "customer" or text is None:
        raise errors.invalid("Missing required param: query.", "query", "parameter_missing")
    test = _parse(text)
    size = query.limit(asked)
    start = int(asked.values.get("page", "p0").removeprefix("p") or 0)
    rows = (row for row in shelf.walk() if not row.hidden and test(orjson.loads(row.encoded)))
    found = list(islice(rows, start, start + size + 1))
    return Found(found[:size], f"p{start + size}" if len(found) > size else None)


def _parse(text: str) -> Callable[[Payload], bool]:
    either = re.search(r"\sOR\s", text)
    both = re.search(r"\sAND\s", text)
    if either and both:
        raise errors.invalid("You cannot combine AND and OR in one search query.", "query")
    parts = re.split(r"\s+(?:OR|AND)\s+", text.strip())
    if len(parts) > MAX_CLAUSES:
        raise errors.invalid(f"A search query may have at most {MAX_CLAUSES} clauses.", "query")
    tests = [_clause(part) for part in parts]
    combine = any if either else all
    return lambda payload: combine(test(payload) for test in tests)


def _clause(text: str) -> Callable[[Payload], bool]:
    match = _CLAUSE.match(text)
    if match is None or match[2] not in _FIELDS:
        raise errors.invalid(f"Invalid search clause: {text}", "query")
    negated, field, key, operator, wanted = match.groups()

    def test(payload: Payload) -> bool:
        value: Any = payload.get(field)
        if key is not None:
            value = (value or {}).get(key)
        return _compare(value, operator, wanted) is not bool(negated)

    return test


def _compare(value: Any, operator: str, wanted: str) -> bool:
    if operator == ":":
        return str(value).casefold() == wanted.casefold() if value is not None else False
    if operator == "~":
        return value is not None and wanted.casefold() in str(value).casefold()
    if not isinstance(value, int) or not wanted.lstrip("-").isdigit():
        return False
    number = int(wanted)
    return {">": value > number, "<": value < number, ">=": value >= number, "<=": value <= number}[operator]
