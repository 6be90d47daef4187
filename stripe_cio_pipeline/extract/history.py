"""History: everything that Stripe lists of an object type, in slices, resumable at every page."""

from collections.abc import Iterable

from stripe_cio_pipeline.extract.answers import Arrival, rows_of_page, store
from stripe_cio_pipeline.extract.lists import ListBook, Slice, read_list
from stripe_cio_pipeline.extract.objects import StripeObject
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.state import HistoryMark, note_asked, save_slices, write_mark
from stripe_cio_pipeline.extract.transport import Answer
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.warehouse import Connection


def list_parameters(kind: StripeObject) -> dict[str, object]:
    """Query parameters of a list call, beside its slice."""
    expands = [f"data.{path}" for path in kind.expands]
    return {**kind.parameters, **({"expand": expands} if expands else {})}


async def read_history(
    session: Session, kind: StripeObject, mark: HistoryMark | None, slices: tuple[Slice, ...]
) -> None:
    """List an object type to its end, from where an earlier run stopped: `mark` and `slices` are what it saved.

    Raises what Stripe refuses.
    """
    if mark is None or not slices:
        mark, slices = None, (Slice(),)
    book = HistoryBook(session, kind, slices, mark)
    session.writer.open_book(book)
    await read_list(session.transport, session.writer, book, kind.path, list_parameters(kind))


class HistoryBook(ListBook[Arrival]):
    """Gathers pages of one object type's list, and writes them with the frontier that they leave."""

    def __init__(
        self, session: Session, kind: StripeObject, slices: tuple[Slice, ...], mark: HistoryMark | None
    ) -> None:
        super().__init__(slices)
        self._session = session
        self._kind = kind
        self._began = mark.began if mark else None
        self._is_new = mark is None
        self._pages = mark.pages if mark else 0
        self._rows_read = mark.rows if mark else 0
        self._started_at = session.monotonic()
        self._rows_before = self._rows_read
        self._oldest: int | None = None

    async def prepare(self, answer: Answer) -> list[Arrival]:
        """Make rows of a page; the first one tells when the listing began."""
        if self._began is None:
            self._began = answer.since
        return await rows_of_page(self._session, self._kind, answer)

    def keep(self, items: list[Arrival]) -> None:
        """Gather a page."""
        super().keep(items)
        self._pages += 1
        self._rows_read += len(items)
        self._oldest = _older(self._oldest, items)
        self._session.read[self._kind.name] = self._session.read.get(self._kind.name, 0) + len(items)
        self._tell()

    def entry(self, items: list[Arrival]) -> Entry:
        """Write pages, and what is still to be read."""
        frontier = self.plan.frontier()
        mark = HistoryMark(
            "finished" if self.plan.finished else "listing", self._began or 0, self._pages, self._rows_read
        )

        def write(connection: Connection, seq: int) -> None:
            session, kind = self._session, self._kind
            store(session, connection, kind, items, seq)
            save_slices(connection, kind.name, frontier, session.run_id)
            write_mark(connection, kind.name, mark, session.run_id)
            if self._is_new:
                # Not where an older release began it: its pages were asked for less.
                note_asked(connection, kind, session.run_id)
                self._is_new = False

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


def _older(oldest: int | None, items: Iterable[Arrival]) -> int | None:
    moments = [item.row.created for item in items if item.row.created is not None]
    return min(moments if oldest is None else [oldest, *moments], default=oldest)


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
