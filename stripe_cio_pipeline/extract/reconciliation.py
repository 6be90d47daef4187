"""Reconcile: list everything again, find what differs or vanished, read what vanished by id, repair, and prove it."""

import asyncio
import time
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from stripe_cio_pipeline.errors import StripeError
from stripe_cio_pipeline.extract.changes import Reading, read_again
from stripe_cio_pipeline.extract.feed import WATERMARK, read_event
from stripe_cio_pipeline.extract.frontier import read_mark, write_mark
from stripe_cio_pipeline.extract.history import list_parameters
from stripe_cio_pipeline.extract.listing import ConfirmingBook, ListingBook
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, StripeObject, select
from stripe_cio_pipeline.extract.pressure import Refusal
from stripe_cio_pipeline.extract.progress import ObjectFailure, Progress
from stripe_cio_pipeline.extract.proof import MonthProof, Side, join_sides, prove_listed, prove_stored
from stripe_cio_pipeline.extract.running import bring_up_to_date, each, open_session, raise_together
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.slices import Slice
from stripe_cio_pipeline.extract.store import count_rows
from stripe_cio_pipeline.extract.transport import Answer, Patience, wrong_request
from stripe_cio_pipeline.extract.walk import walk
from stripe_cio_pipeline.extract.writer import WINDOW_PAGES
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, read_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: Slices end in partly filled pages: measured, a list takes about so much more than its rows / 100.
_PARTIAL_PAGES = 1.1


@dataclass(frozen=True, slots=True)
class ObjectReconciliation:
    """What was found for one object type, in objects.

    `missing`: in Stripe and not in the warehouse. `changed`: with another content. `vanished`: in the warehouse and
    not in Stripe's list; of these `confirmed_deleted` are gone and `hidden` still answer by id (objects on test clocks
    are never listed). `explained` of them all changed since events were last read: no loss, only lag. `tampered` is
    how many rows were changed past the pipeline.
    """

    name: str
    stripe_rows: int
    before_rows: int
    after_rows: int
    missing: int
    changed: int
    vanished: int
    explained: int
    tampered: int
    confirmed_deleted: int
    hidden: int
    repaired: int
    whole: bool
    examples: tuple[str, ...]
    months: tuple[MonthProof, ...]

    @property
    def differing(self) -> int:
        """Everything that was not as in Stripe and that lag does not explain."""
        return self.missing + self.changed + self.vanished - self.hidden - self.explained


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What a reconcile found and did. `expected_requests` and `expected_seconds` were said before it began.

    `clean`: there was nothing to repair. `whole`: now the warehouse holds exactly what Stripe lists, month by month.
    """

    objects: tuple[ObjectReconciliation, ...]
    requests: int
    seconds: float
    expected_requests: int
    expected_seconds: float
    dry_run: bool
    clean: bool
    whole: bool
    warnings: tuple[str, ...]
    failures: tuple[ObjectFailure, ...] = ()


def reconcile(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    objects: Collection[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
    window: int = WINDOW_PAGES,
    raise_failures: bool = True,
) -> ReconcileReport:
    """Compare everything with Stripe, and repair it unless `dry_run`.

    First it does what `extract` does, so that only what that cannot see is left to find (not in a dry run, which writes
    nothing to `stripe.*`). The cost is told through `progress` before the first list call. One that is killed begins
    anew; what it has repaired stays.

    Raises SettingsError, BindingError, StripeError, WarehouseError.
    """
    selected = select(objects)

    async def run() -> ReconcileReport:
        started = time.monotonic()
        async with open_session(
            warehouse, settings, policy, run_id=run_id, progress=progress, now=now, patience=patience, window=window
        ) as (session, state):
            if not dry_run:
                await bring_up_to_date(session, state, selected)
            expected = await session.writer.alone(partial(_expect, session, selected))
            outcomes = await compare_all(session, selected, dry_run=dry_run)
            report = ReconcileReport(
                objects=outcomes,
                requests=session.meter.requests,
                seconds=time.monotonic() - started,
                expected_requests=expected[0],
                expected_seconds=expected[1],
                dry_run=dry_run,
                clean=not any(outcome.differing for outcome in outcomes) and not session.failures,
                whole=all(outcome.whole for outcome in outcomes) and not session.failures,
                warnings=(*session.warnings, *session.sightings.warnings()),
                failures=tuple(failure for failure, _ in session.failures),
            )
        if report.failures and raise_failures:
            raise_together(session)
        return report

    return asyncio.run(run())


@dataclass(frozen=True, slots=True)
class _Listed:
    """What listing an object type found, before it is put together."""

    began: int
    before: Side
    vanished: tuple[str, ...]
    gone: Set[str]
    tampered: frozenset[str]
    repaired: int


async def compare_all(
    session: Session, selected: tuple[StripeObject, ...], *, dry_run: bool
) -> tuple[ObjectReconciliation, ...]:
    """Compare object types with Stripe, side by side. One that fails is noted in the session and left out.

    What was compared, and not in a dry run, is not outdated by any gap in the events before.
    """
    listed: dict[str, _Listed] = {}
    began = int(session.transport.stripe_now)
    if not session.transport.answered:
        began = (await _first_answer(session)).date

    async def one(kind: StripeObject) -> None:
        listed[kind.name] = await _list_object(session, kind, began, dry_run=dry_run)

    await each(session, selected, one)
    recent = await _recently_changed(session)
    outcomes = []
    for kind in selected:
        if kind.name in listed:
            conclude = partial(_conclude, session, kind, listed[kind.name], recent, dry_run=dry_run)
            outcomes.append(await session.writer.alone(conclude))
    return tuple(outcomes)


async def _list_object(session: Session, kind: StripeObject, began: int, *, dry_run: bool) -> _Listed:
    alone = session.writer.alone
    tampered, before = await alone(partial(_begin, session, kind, began, dry_run=dry_run))
    book = ListingBook(session, kind, tampered=tampered, dry_run=dry_run)
    session.writer.open_book(book)
    await walk(session.transport, session.writer, book, kind.path, list_parameters(kind))
    await session.writer.commit_now()
    session.writer.close_book(book)
    vanished, overtaken = await alone(partial(_to_confirm, session, kind, began))
    confirming = ConfirmingBook(session, kind, tampered=tampered, dry_run=dry_run)
    readings = [Reading(object_id, None) for object_id in (*vanished, *overtaken)]
    await read_again(session, kind, readings, book=confirming)
    gone = confirming.gone.intersection(vanished)
    return _Listed(began, before, tuple(vanished), gone, tampered, book.repaired)


async def _first_answer(session: Session) -> Answer:
    answer = await session.transport.list(EVENTS_PATH, {}, limit=1)
    if isinstance(answer, Refusal):
        raise wrong_request(answer, EVENTS_PATH)
    return answer


async def _recently_changed(session: Session) -> set[tuple[str, str]]:
    """Name the objects that events speak of since they were last read: a difference there is lag, not loss."""

    def floor() -> int | None:
        with session.warehouse.connect() as connection:
            value = read_cursor(connection, WATERMARK)
            return None if value is None else int(value) - session.policy.stripe.overlap_seconds

    since = await session.writer.alone(floor)
    changed: set[tuple[str, str]] = set()
    piece = Slice(created_from=since)
    try:
        while True:
            answer = await session.transport.list(EVENTS_PATH, piece.parameters())
            if isinstance(answer, Refusal):
                raise wrong_request(answer, EVENTS_PATH)
            events = answer.body["data"]
            changed |= {
                (signal.object, signal.id) for event in events for signal in read_event(event, answer.date).signals
            }
            if not answer.body.get("has_more"):
                return changed
            piece = Slice(since, None, events[-1]["id"])
    except StripeError as error:
        session.warnings.append(
            "The events could not be read after the comparison, so that changes on their way count as differences: "
            + error.what
        )
        return set()


def _expect(session: Session, selected: tuple[StripeObject, ...]) -> tuple[int, float]:
    budget = session.transport.budget
    with session.warehouse.connect() as connection:
        pages = {kind.name: round(max(1, count_rows(connection, kind)[1] / 100) * _PARTIAL_PAGES) for kind in selected}
    requests = sum(pages.values()) + 1
    seconds = max(requests / budget.account_rate, max(pages.values(), default=0) / budget.endpoint_rate)
    session.note(
        "cost",
        "all",
        requests=requests,
        seconds_left=seconds,
        message=f"about {requests:,} GET requests in {seconds / 60:.1f} minutes, and one for each vanished object",
        always=True,
    )
    return requests, seconds


def _begin(session: Session, kind: StripeObject, began: int, *, dry_run: bool) -> tuple[frozenset[str], Side]:
    with session.warehouse.transaction() as connection:
        connection.execute(_SQL["clear_listed"], [kind.name])
        found = connection.execute(_SQL["tampered_rows"].replace("{table}", kind.name)).fetchall()
        if found and not dry_run:
            connection.execute(_SQL["rehash_rows"].replace("{table}", kind.name))
        return frozenset(row[0] for row in found), prove_stored(connection, kind, began)


def _to_confirm(session: Session, kind: StripeObject, began: int) -> tuple[list[str], list[str]]:
    """Name what is to be read by id: what Stripe did not list, and what changed while it was listed."""
    vanished, overtaken = (_SQL[name].replace("{table}", kind.name) for name in ("vanished_rows", "overtaken_rows"))
    with session.warehouse.connect() as connection:
        return (
            [row[0] for row in connection.execute(vanished, {"began": began}).fetchall()],
            [row[0] for row in connection.execute(overtaken).fetchall()],
        )


def _conclude(
    session: Session, kind: StripeObject, listed: _Listed, recent: set[tuple[str, str]], *, dry_run: bool
) -> ObjectReconciliation:
    with session.warehouse.transaction() as connection:
        findings = dict(connection.execute(_SQL["listed_findings"], [kind.name]).fetchall())
        stripe = prove_listed(connection, kind, listed.began)
        after = prove_stored(connection, kind, listed.began)
        months = join_sides(kind.name, stripe, listed.before, after)
        missing = [object_id for object_id, finding in findings.items() if finding == "missing"]
        changed = [object_id for object_id, finding in findings.items() if finding == "changed"]
        differing = [*missing, *changed, *sorted(listed.gone)]
        unexplained = [object_id for object_id in differing if (kind.name, object_id) not in recent]
        outcome = ObjectReconciliation(
            name=kind.name,
            stripe_rows=sum(rows for rows, _ in stripe.values()),
            before_rows=sum(rows for rows, _ in listed.before.values()),
            after_rows=sum(rows for rows, _ in after.values()),
            missing=len(missing),
            changed=len(changed),
            vanished=len(listed.vanished),
            explained=len(differing) - len(unexplained),
            tampered=len(listed.tampered),
            confirmed_deleted=len(listed.gone),
            hidden=len(listed.vanished) - len(listed.gone),
            repaired=0 if dry_run else listed.repaired + len(listed.gone),
            whole=all(month.equal_after for month in months),
            examples=tuple(unexplained[:10]),
            months=months,
        )
        _save(connection, session.run_id, outcome, dry_run=dry_run)
        mark = read_mark(connection, kind.name)
        if mark is not None and not dry_run:
            write_mark(connection, kind.name, replace(mark, began=listed.began), session.run_id)
        connection.execute(_SQL["clear_listed"], [kind.name])
    return outcome


def _save(connection: Connection, run_id: str, outcome: ObjectReconciliation, *, dry_run: bool) -> None:
    made_at = datetime.now(UTC).replace(tzinfo=None)
    for month in outcome.months:
        connection.execute(
            _SQL["insert_reconciliation"],
            [
                run_id,
                made_at,
                month.object,
                month.month,
                month.stripe_rows,
                month.stripe_hash,
                month.before_rows,
                month.before_hash,
                month.after_rows,
                month.after_hash,
                outcome.missing,
                outcome.changed,
                outcome.vanished,
                outcome.explained,
                dry_run,
            ],
        )
