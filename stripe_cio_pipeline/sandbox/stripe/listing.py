"""One page of a list: which rows, in which order, and whether there are more."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.stripe import errors, query
from stripe_cio_pipeline.sandbox.stripe.event_types import EVENT_TYPES
from stripe_cio_pipeline.sandbox.stripe.query import Query, Range
from stripe_cio_pipeline.sandbox.stripe.resources import Matcher, Resource, in_range
from stripe_cio_pipeline.sandbox.stripe.shelf import FIRST, LAST, Key, Row, Shelf
from stripe_cio_pipeline.sandbox.stripe.switches import StripeSwitches

EVENT_DAYS = 30
EVENT_SECONDS = EVENT_DAYS * 86_400
MAX_TYPES = 20
Test = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, newest first."""

    rows: Sequence[Row]
    has_more: bool


def page(resource: Resource, shelf: Shelf, asked: Query, switches: StripeSwitches, now: float) -> Page:
    """Return the page that a request asks for; raises `StripeError` for a request that Stripe would refuse."""
    query.check_names(asked, resource.parameters(), resource.hashes)
    for name in resource.required:
        if name not in asked.names:
            raise errors.invalid(f"Missing required param: {name}.", name, code="parameter_missing")
    size = query.limit(asked)
    low, high = _window(query.moments(asked, "created"))
    test = _event_test(asked, switches, now) if resource.object == "event" else _test(resource, asked)
    if resource.object == "event":
        low = max(low, (int(now) - EVENT_SECONDS, 0))
    after, before = asked.values.get("starting_after"), asked.values.get("ending_before")
    if after is not None and before is not None:
        raise errors.invalid("You can only specify one of these parameters: starting_after, ending_before.", "")
    if after is not None:
        high = min(high, _cursor(resource, shelf, after, "starting_after", switches, now))
    if before is not None:
        created, rank = _cursor(resource, shelf, before, "ending_before", switches, now)
        low = max(low, (created, rank + 1))
    rows = _candidates(resource, shelf, asked, low, high, newest_first=before is None, switches=switches)
    if test is not None:
        rows = filter(test, rows)
    found = list(islice(rows, size + 1))
    has_more = len(found) > size
    del found[size:]
    if before is not None:
        found.reverse()
    return Page(found, has_more)


def page_of(rows: Sequence[dict[str, Any]], asked: Query) -> tuple[Sequence[dict[str, Any]], bool]:
    """Return a page of a nested list, which is kept in the order in which it is shown."""
    size = query.limit(asked)
    start, stop = 0, len(rows)
    for name in ("starting_after", "ending_before"):
        if (wanted := asked.values.get(name)) is None:
            continue
        place = next((number for number, row in enumerate(rows) if row.get("id") == wanted), None)
        if place is None:
            raise errors.missing("object", wanted, name)
        if name == "starting_after":
            start = place + 1
        else:
            stop = place
    if "ending_before" in asked.values:
        return rows[max(start, stop - size) : stop], stop - start > size
    return rows[start : min(stop, start + size)], stop - start > size


def _window(created: Range | None) -> tuple[Key, Key]:
    if created is None:
        return FIRST, LAST
    lowest = -(1 << 62)
    low = FIRST if created.low is None else (created.low, lowest)
    return low, LAST if created.high is None else (created.high, lowest)


def _cursor(resource: Resource, shelf: Shelf, wanted: str, param: str, switches: StripeSwitches, now: float) -> Key:
    row = shelf.find(wanted)
    if row is not None and not (resource.object == "event" and row.key[0] < now - EVENT_SECONDS):
        return row.key
    if resource.object == "event" and (row is not None or wanted in shelf.gone):
        raise errors.aged_event(wanted)
    if wanted in shelf.gone and not switches.deleted_cursor_fails:
        return shelf.gone[wanted]
    raise errors.missing(resource.noun, wanted, param)


def _candidates(
    resource: Resource,
    shelf: Shelf,
    asked: Query,
    low: Key,
    high: Key,
    *,
    newest_first: bool,
    switches: StripeSwitches,
) -> Iterator[Row]:
    customer = asked.values.get("customer") if "customer" in resource.filters else None
    if customer is not None:
        rows: Iterable[Row] = [row for row in shelf.of_customer(customer) if low <= row.key < high]
        return iter(list(reversed(list(rows))) if newest_first else rows)
    rows = shelf.walk(low, high, newest_first=newest_first)
    if resource.object == "payment_method" and not switches.unscoped_payment_methods:
        return (row for row in rows if orjson.loads(row.encoded).get("customer") is None)
    if "test_clock" in asked.values or "subscription" in asked.values:
        return iter(rows)
    return (row for row in rows if not row.hidden)


def _test(resource: Resource, asked: Query) -> Test | None:
    """Return what a row must pass, or `None` when every row does."""
    checks: list[tuple[Matcher, Any]] = []
    wanted_status: str | None = "" if resource.object == "subscription" else None
    for name, matches in resource.filters.items():
        given = asked.values.get(name, resource.unasked.get(name))
        value: Any = asked.objects.get(name) if name in asked.objects else given
        if name == "status" and value is not None:
            wanted_status = value
        elif value is not None:
            checks.append((matches, value))
    checks += [(matches, asked.arrays[name]) for name, matches in resource.arrays.items() if name in asked.arrays]
    for name in resource.ranges:
        if (wanted := query.moments(asked, name)) is not None:
            checks.append((in_range(resource, name), wanted))
    status = resource.filters.get("status") if wanted_status is not None else None
    if status is not None:
        # Asked of nothing: only so that a status that does not exist is refused even where no row is.
        status({"status": ""}, wanted_status)
    if status is None and not checks:
        return None

    def test(row: Row) -> bool:
        if status is not None and not status({"status": row.label}, wanted_status):
            return False
        if not checks:
            return True
        payload = orjson.loads(row.encoded)
        return all(matches(payload, value) for matches, value in checks)

    return test


def _event_test(asked: Query, switches: StripeSwitches, now: float) -> Test:
    exact = asked.values.get("type")
    names = asked.arrays.get("types")
    if exact is not None and names is not None:
        raise errors.invalid("You may only specify one of these parameters: type, types.", "types")
    if names is not None and len(names) > MAX_TYPES:
        raise errors.invalid(f"You may specify at most {MAX_TYPES} event types.", "types")
    if switches.unknown_event_type_fails:
        for name in names or ([exact] if exact is not None else []):
            _check_type(name, wildcard=names is None)
    success = asked.values.get("delivery_success")

    def test(row: Row) -> bool:
        label = row.label or ""
        if row.visible_at > now:
            return False
        if exact is not None and not (label.startswith(exact[:-1]) if exact.endswith("*") else label == exact):
            return False
        if names is not None and label not in names:
            return False
        # No endpoint is registered here, so nothing is ever pending or failed.
        return success != "false"

    return test


def _check_type(name: str, *, wildcard: bool) -> None:
    known = name in EVENT_TYPES
    if wildcard and name.endswith("*"):
        known = any(type_.startswith(name[:-1]) for type_ in EVENT_TYPES)
    if not known:
        raise errors.invalid(f"Invalid event type: {name}", "types" if not wildcard else "type")
