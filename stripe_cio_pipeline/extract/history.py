"""History: everything that Stripe lists of an object type, in slices, resumable at every page."""

from dataclasses import dataclass
from typing import Any

import orjson

from stripe_cio_pipeline.errors import StripeUnavailable
from stripe_cio_pipeline.extract import shapes
from stripe_cio_pipeline.extract.frontier import HistoryMark, save_slices, write_mark
from stripe_cio_pipeline.extract.objects import PINNED_VERSION, Nested, StripeObject
from stripe_cio_pipeline.extract.pressure import Refusal
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.slices import Slice, SlicePlan
from stripe_cio_pipeline.extract.store import Row, check_mode, read_payloads, row_of, write_rows
from stripe_cio_pipeline.extract.transport import Answer, wrong_request
from stripe_cio_pipeline.extract.walk import walk
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Connection


def list_parameters(kind: StripeObject) -> dict[str, object]:
    """Query parameters of a list call, beside its slice."""
    expands = [f"data.{path}" for path in kind.expands]
    return {**kind.parameters, **({"expand": expands} if expands else {})}


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page's rows, and the ids of those whose payload lacks fields."""

    rows: list[Row]
    doubtful: set[str]


async def prepare_rows(session: Session, kind: StripeObject, answer: Answer) -> RowPage:
    """Make rows of a list's answer, after fetching the rest of lists inside the objects that Stripe cut."""
    payloads = answer.body["data"]
    await complete_all(session, kind, payloads)
    doubtful = {payload["id"] for payload in payloads if is_doubtful(session, kind, payload, answer, "list")}
    return RowPage(
        [row_of(kind, payload, as_of=answer.date, source="list", read_at=answer.read_at) for payload in payloads],
        doubtful,
    )


class PageBook:
    """Gathers the pages of one object type's list until they are written together."""

    def __init__(self, session: Session, kind: StripeObject) -> None:
        self._session = session
        self._kind = kind
        self._gathered: list[Row] = []
        self._gathered_pages = 0
        self._doubtful: set[str] = set()

    @property
    def gathered_rows(self) -> int:
        """Rows that wait to be written."""
        return len(self._gathered)

    @property
    def gathered_pages(self) -> int:
        """Pages that wait to be written."""
        return self._gathered_pages

    async def prepare(self, answer: Answer) -> RowPage:
        """Make rows of a page, whole ones of our mode."""
        page = await prepare_rows(self._session, self._kind, answer)
        check_mode(page.rows, self._session.livemode)
        return page

    def _gather(self, page: RowPage) -> None:
        self._gathered.extend(page.rows)
        self._doubtful |= page.doubtful
        self._gathered_pages += 1

    def _take(self) -> tuple[list[Row], set[str]]:
        """Hand over the rows and which of them are doubtful, and begin anew."""
        rows, self._gathered, self._gathered_pages = self._gathered, [], 0
        doubtful, self._doubtful = self._doubtful, set()
        return rows, doubtful


class HistoryBook(PageBook):
    """Gathers pages of one object type's list, and writes them with the frontier that they leave."""

    def __init__(self, session: Session, kind: StripeObject, plan: SlicePlan, mark: HistoryMark | None) -> None:
        super().__init__(session, kind)
        self.plan = plan
        self._began = mark.began if mark else None
        self._pages = mark.pages if mark else 0
        self._rows_read = mark.rows if mark else 0
        self._started_at = session.monotonic()
        self._rows_before = self._rows_read
        self._oldest: int | None = None

    async def prepare(self, answer: Answer) -> RowPage:
        """Make rows of a page; the first one tells when the listing began."""
        if self._began is None:
            self._began = answer.date
        return await super().prepare(answer)

    def keep(self, page: RowPage) -> None:
        """Gather a page."""
        self._gather(page)
        self._pages += 1
        self._rows_read += len(page.rows)
        self._oldest = _older(self._oldest, page.rows)
        self._session.read[self._kind.name] = self._session.read.get(self._kind.name, 0) + len(page.rows)
        self._tell()

    def close_page(self) -> Entry:
        """Hand over pages and frontier."""
        rows, doubtful = self._take()
        frontier = self.plan.frontier()
        mark = HistoryMark(
            "finished" if self.plan.finished else "listing", self._began or 0, self._pages, self._rows_read
        )

        def write(connection: Connection, seq: int) -> None:
            session, kind = self._session, self._kind
            whole = keep_absent_fields(connection, kind, rows, doubtful)
            session.tally(kind.name, write_rows(connection, kind, whole, seq=seq, run_id=session.run_id))
            save_slices(connection, kind.name, frontier, session.run_id)
            write_mark(connection, kind.name, mark, session.run_id)
            session.sightings.save(connection, session.run_id)

        return write

    def _tell(self) -> None:
        elapsed = max(self._session.monotonic() - self._started_at, 1e-6)
        rate = (self._rows_read - self._rows_before) / elapsed
        share = covered_share(self.plan.frontier(), self._oldest, self._session.transport.stripe_now)
        left = None
        if share and rate and self._rows_read:
            left = (self._rows_read / share - self._rows_read) / rate
        self._session.note(
            "history",
            self._kind.name,
            rows=self._rows_read,
            requests=self._pages,
            rows_per_second=rate,
            share=share,
            seconds_left=left,
            always=self.plan.finished,
        )


def _older(oldest: int | None, rows: list[Row]) -> int | None:
    moments = [row.created for row in rows if row.created is not None]
    return min(moments if oldest is None else [oldest, *moments], default=oldest)


def is_doubtful(session: Session, kind: StripeObject, payload: dict[str, Any], answer: Answer, source: str) -> bool:
    """Whether an answer's object is not of the pinned shape; notes it."""
    version = answer.version or PINNED_VERSION
    if version == PINNED_VERSION and payload.keys() >= kind.required:
        return False
    missing = shapes.missing_fields(kind, payload)
    verdict = shapes.judge_version(version)
    session.sightings.note(kind.name, source, version, verdict, missing)
    return bool(missing)


def keep_absent_fields(connection: Connection, kind: StripeObject, rows: list[Row], doubtful: set[str]) -> list[Row]:
    """Carry stored values over into rows whose payload lacks fields."""
    if not doubtful:
        return rows
    stored = read_payloads(connection, kind, sorted(doubtful))
    whole = []
    for row in rows:
        if row.id in stored:
            payload = orjson.loads(row.payload)
            if shapes.keep_absent(kind, payload, stored[row.id]):
                made = row_of(
                    kind,
                    payload,
                    as_of=row.as_of,
                    source=row.source,
                    read_at=row.read_at,
                    event_id=row.source_event_id,
                )
                whole.append(made)
                continue
        whole.append(row)
    return whole


def covered_share(frontier: tuple[Slice, ...], oldest: int | None, now: float) -> float | None:
    """Estimate which share (0 to 1) of a history is read, from the time that its open slices still span.

    `oldest` is the oldest `created` that was seen. None while the list's far end was not seen: an account's age is not
    known before.
    """
    if not frontier:
        return 1.0
    bounds = [piece.created_from for piece in frontier if piece.created_from is not None]
    if len(bounds) < len(frontier) or oldest is None:
        return None
    whole = now - min(oldest, *bounds)
    left = sum(max(0.0, min(now, piece.created_before or now) - (piece.created_from or 0)) for piece in frontier)
    return max(0.0, 1.0 - left / whole) if whole > 0 else None


async def complete_all(session: Session, kind: StripeObject, payloads: list[dict[str, Any]]) -> None:
    """Fetch all of every list inside the objects where Stripe gave only its beginning."""
    await together(
        _complete(session, kind, nested, payload)
        for nested in kind.nested
        for payload in payloads
        if _is_cut(payload.get(nested.field))
    )


def _is_cut(inner: Any) -> bool:
    return isinstance(inner, dict) and bool(inner.get("has_more"))


async def _complete(session: Session, kind: StripeObject, nested: Nested, payload: dict[str, Any]) -> None:
    inner = payload[nested.field]
    # Expanded as inside the parent, so that an object is the same however it was read.
    prefix = f"{nested.field}.data."
    expands = [f"data.{path.removeprefix(prefix)}" for path in kind.expands if path.startswith(prefix)]
    rows: list[dict[str, Any]] = list(inner["data"])
    while True:
        parameters: dict[str, object] = {nested.parameter: payload["id"], "starting_after": rows[-1]["id"]}
        if expands:
            parameters["expand"] = expands
        answer = await session.transport.list(nested.path, parameters)
        if isinstance(answer, Refusal):
            if answer.missing:
                return
            raise wrong_request(answer, nested.path)
        rows.extend(answer.body["data"])
        if not answer.body.get("has_more"):
            break
        if not answer.body["data"]:
            raise StripeUnavailable(
                f"Stripe says that {nested.path} goes on and gives no rows.", "Run again; if this stays, report it."
            )
    inner["data"] = rows
    inner["has_more"] = False


async def read_history(
    session: Session, kind: StripeObject, mark: HistoryMark | None, slices: tuple[Slice, ...]
) -> None:
    """List an object type to its end, from where an earlier run stopped: `mark` and `slices` are what it saved.

    Raises what Stripe refuses.
    """
    if mark is None or not slices:
        mark, slices = None, (Slice(),)
    book = HistoryBook(session, kind, SlicePlan(slices), mark)
    session.writer.open_book(book)
    await walk(session.transport, session.writer, book, kind.path, list_parameters(kind))
