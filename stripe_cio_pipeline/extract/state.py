"""What the warehouse remembers of reading Stripe: whose account it holds, and how far every part has come."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

import orjson

from stripe_cio_pipeline.errors import BindingError
from stripe_cio_pipeline.extract.budget import ReadBudget, read_budget
from stripe_cio_pipeline.extract.forgotten import Forgotten, read_forgotten
from stripe_cio_pipeline.extract.lists import Slice
from stripe_cio_pipeline.extract.objects import OBJECTS, PINNED_VERSION, StripeObject
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor, read_cursors, replace, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: Up to when the feed of events was read, in Stripe's clock. The next walk begins there, less an overlap.
WATERMARK = "events.watermark"
#: Events that were created before this moment (Stripe's clock) may be lost to a gap. What was last listed whole before
#: it must be listed again.
LOST_BEFORE = "events.lost_before"

#: `created` of the newest event that the feed has shown. Events that a webhook brought do not count: they may come from
#: beyond a moment up to which nobody has looked. Until one came, it is the newest event that is stored.
NEWEST_LISTED = "listed.newest_event"
#: How many events webhooks have brought, and how many the feed has shown since then that none had brought.
BROUGHT = "webhooks.brought"
FOUND = "webhooks.found_by_polls"

ACCOUNT = "stripe.account"
LIVEMODE = "stripe.livemode"
#: A mark of the key and address that were last found to belong to the account, so that a poll need not ask again.
FINGERPRINT = "stripe.fingerprint"
#: From when on events are forwarded with `events.since: install`: Stripe's clock at the first binding.
EVENTS_SINCE = "events.since"


def is_live(key: str) -> bool:
    """Whether a key belongs to live mode, by its prefix. An organization key (`sk_org_`) names its mode too."""
    return "_live_" in key


def fingerprint(settings: Settings) -> str:
    """Mark key, connected account and address, so that none can be read from it: 64 bits of a SHA-256."""
    secret = f"{settings.require_stripe()}\n{settings.stripe_account or ''}\n{settings.stripe_api_base}"
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def read_bindings(connection: Connection) -> dict[str, str]:
    """Give what this warehouse is bound to on Stripe's side; empty before the first run."""
    return dict(connection.execute(_SQL["bindings"]).fetchall())


def bind_stripe(
    connection: Connection, *, account: str, livemode: bool, mark: str, stripe_now: int, run_id: str | None = None
) -> None:
    """Bind a warehouse that is not bound yet, or check that it is bound to this account and mode.

    Inside the caller's transaction. Raises BindingError.
    """
    bound = read_bindings(connection)
    check_bindings(bound, account=account, livemode=livemode)
    for name, value in ((ACCOUNT, account), (LIVEMODE, str(livemode).lower()), (FINGERPRINT, mark)):
        if bound.get(name) != value:
            row = {"name": name, "value": value, "bound_at": datetime.now(UTC).replace(tzinfo=None)}
            replace(connection, "pipeline.bindings", ["name"], [row])
    if read_cursor(connection, EVENTS_SINCE) is None:
        write_cursor(connection, EVENTS_SINCE, str(stripe_now), run_id)


def check_bindings(bound: Mapping[str, str], *, account: str | None, livemode: bool) -> None:
    """Raise BindingError where the warehouse belongs to another account or mode. `account` None: not known yet."""
    if account is not None and bound.get(ACCOUNT, account) != account:
        raise BindingError(
            f"The Stripe key belongs to account {account}, and this warehouse to {bound[ACCOUNT]}.",
            "Set STRIPE_API_KEY to a key of that account, or STRIPE_CIO_WAREHOUSE to another warehouse.",
        )
    mode = str(livemode).lower()
    if bound.get(LIVEMODE, mode) != mode:
        names = {"true": "live", "false": "test"}
        raise BindingError(
            f"The Stripe key is of {names[mode]} mode, and this warehouse belongs to {names[bound[LIVEMODE]]} mode.",
            "Set STRIPE_API_KEY to a key of that mode, or STRIPE_CIO_WAREHOUSE to another warehouse.",
        )


#: An open end of a slice, in a column that is never null.
_OPEN_FROM = -(2**63)
_OPEN_BEFORE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class HistoryMark:
    """How far the history of an object type is.

    `began` is when it was last listed from the start, in Stripe's clock: every change since then is in the events.
    `pages` and `rows` count what was stored, over all runs.
    """

    state: Literal["listing", "finished"]
    began: int
    pages: int = 0
    rows: int = 0


def load_slices(connection: Connection, name: str) -> tuple[Slice, ...]:
    """Give the slices that are still to be read, newest first; none where nothing was begun or all is done."""
    rows = connection.execute(_SQL["slices_of"], [name]).fetchall()
    return tuple(
        Slice(None if low == _OPEN_FROM else low, None if before == _OPEN_BEFORE else before, after)
        for low, before, after in rows
    )


def save_slices(connection: Connection, name: str, slices: tuple[Slice, ...], run_id: str) -> None:
    """Replace the slices that are still to be read, in the transaction that stores their pages."""
    connection.execute(_SQL["delete_slices"], [name])
    if not slices:
        return
    # One statement for all: this thread waits for the reading one at each.
    connection.execute(
        _SQL["insert_slices"],
        {
            "object": name,
            "created_from": [_OPEN_FROM if piece.created_from is None else piece.created_from for piece in slices],
            "created_before": [
                _OPEN_BEFORE if piece.created_before is None else piece.created_before for piece in slices
            ],
            "starting_after": [piece.after for piece in slices],
            "run_id": run_id,
        },
    )


def read_mark(connection: Connection, name: str) -> HistoryMark | None:
    """Give the state of an object type's history; None where it was never begun."""
    value = read_cursor(connection, f"history.{name}")
    return None if value is None else HistoryMark(**orjson.loads(value))


def read_marks(cursors: Mapping[str, str]) -> dict[str, HistoryMark]:
    """Give the state of each history that was begun, by object type, of all cursors."""
    found = {kind.name: cursors.get(f"history.{kind.name}") for kind in OBJECTS}
    return {name: HistoryMark(**orjson.loads(value)) for name, value in found.items() if value is not None}


def write_mark(connection: Connection, name: str, mark: HistoryMark, run_id: str) -> None:
    """Set the state of an object type's history."""
    write_cursor(connection, f"history.{name}", orjson.dumps(asdict(mark)).decode(), run_id)


def asked_parts(kind: StripeObject) -> set[str]:
    """Name what an object type is asked for, in words: what is expanded, how it is filtered, which fields are read."""
    return {
        *(f"expand {path}" for path in kind.expands),
        *(f"expand {nested.field}.{path}" for nested in kind.nested for path in nested.expands),
        *(f"{name}={value}" for name, value in kind.parameters.items()),
        *(f"field {field}" for field in kind.required),
    }


def asked_cursor(kind: StripeObject) -> str:
    """Name the cursor that tells what all that is stored of an object type was asked for."""
    return f"asked.{kind.name}"


def note_asked(connection: Connection, kind: StripeObject, run_id: str) -> None:
    """Note in the caller's transaction that all that is stored of a type was asked for as this release asks."""
    value = {"version": PINNED_VERSION, "parts": sorted(asked_parts(kind))}
    write_cursor(connection, asked_cursor(kind), orjson.dumps(value).decode(), run_id)


@dataclass(frozen=True, slots=True)
class State:
    """Bindings, marks and what is left to do.

    `waiting` counts signalled objects by type, without those that are not to be tried yet.
    """

    bindings: dict[str, str]
    marks: dict[str, HistoryMark]
    slices: dict[str, tuple[Slice, ...]]
    watermark: int | None
    #: `created` of the newest event that the feed has shown, or the first binding where it showed none.
    newest_event: int | None
    lost_before: int | None
    waiting: dict[str, int]
    #: Object types that the key could not read at the last try.
    refused: frozenset[str]
    budget: ReadBudget
    forgotten: Forgotten = field(default_factory=Forgotten)

    def floor(self, overlap: int) -> int:
        """Give the moment from which the feed is read on, `overlap` seconds before what is known.

        The watermark is what Stripe's clock showed in one answer, and a clock that was ahead must not hide an event. So
        it is never later than the newest event that was listed: what is created after that one is still to be read.
        """
        watermark = self.watermark or 0
        return min(watermark, self.newest_event or watermark) - overlap

    def unfinished(self, name: str) -> bool:
        """Whether an object type's history is still to be listed."""
        mark = self.marks.get(name)
        return mark is None or mark.state != "finished"

    def outdated(self, name: str) -> bool:
        """Whether changes of an object type may be lost to a gap in the events, so that it must be listed again."""
        mark = self.marks.get(name)
        return mark is not None and self.lost_before is not None and mark.began < self.lost_before


def note_refused(connection: Connection, kind: StripeObject, run_id: str) -> None:
    """Note that the key may not read an object type, which is then listed from the beginning once it may."""
    for statement in ("delete_all_signals", "delete_slices", "delete_mark", "delete_not_granted"):
        connection.execute(_SQL[statement], [kind.name])
    connection.execute(_SQL["insert_not_granted"], [kind.name, kind.permission, run_id])


def note_granted(connection: Connection, kind: StripeObject) -> None:
    """Note that the key may read an object type again."""
    connection.execute(_SQL["delete_not_granted"], [kind.name])


def read_state(connection: Connection, policy: Policy, now: float | None = None) -> State:
    """Read everything that decides what a run has to do."""
    cursors = read_cursors(connection)
    marks = read_marks(cursors)
    unfinished = [name for name, mark in marks.items() if mark.state != "finished"]
    listed = cursors.get(NEWEST_LISTED)
    newest = newest_event(connection) if listed is None else int(listed)
    since, watermark, lost_before = (cursors.get(name) for name in (EVENTS_SINCE, WATERMARK, LOST_BEFORE))
    due = connection.execute(_SQL["signals_due"], {"now": datetime.now(UTC).replace(tzinfo=None)}).fetchall()
    return State(
        bindings=read_bindings(connection),
        marks=marks,
        slices={name: load_slices(connection, name) for name in unfinished},
        watermark=int(watermark) if watermark else None,
        newest_event=int(since) if newest is None and since else newest,
        lost_before=int(lost_before) if lost_before else None,
        waiting=dict(due),
        refused=frozenset(name for name, _ in read_not_granted(connection)),
        budget=read_budget(connection, policy, now),
        forgotten=Forgotten(read_forgotten(connection)),
    )


def newest_event(connection: Connection) -> int | None:
    """Give `created` of the newest event that is stored."""
    [(newest,)] = connection.execute(_SQL["newest_event"]).fetchall()
    return None if newest is None else int(newest)


def read_not_granted(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Give the object types that the key may not read, each with the permission that it lacks."""
    return tuple(connection.execute(_SQL["not_granted"]).fetchall())
