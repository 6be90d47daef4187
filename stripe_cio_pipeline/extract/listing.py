"""The listing of a reconcile: what Stripe has, compared page by page with what is stored, and kept for the proof."""

from collections.abc import Iterable
from typing import Literal

from stripe_cio_pipeline.extract.arrivals import execute_with, table_of, table_of_ids
from stripe_cio_pipeline.extract.changes import Reading, ReadingBook
from stripe_cio_pipeline.extract.history import PageBook, RowPage, keep_absent_fields
from stripe_cio_pipeline.extract.objects import StripeObject
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.slices import Slice, SlicePlan
from stripe_cio_pipeline.extract.store import Row, is_overtaken, read_known, write_rows
from stripe_cio_pipeline.extract.transport import moment
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.extract.sql")

Finding = Literal["missing", "changed"]


class ListingBook(PageBook):
    """Gathers pages of a reconcile: compares them, notes them as listed, and repairs unless it is a dry run."""

    def __init__(self, session: Session, kind: StripeObject, *, tampered: frozenset[str], dry_run: bool) -> None:
        super().__init__(session, kind)
        self.plan = SlicePlan((Slice(),))
        self._tampered = tampered
        self._dry_run = dry_run
        self._rows_read = 0
        self.repaired = 0

    def keep(self, page: RowPage) -> None:
        """Gather a page."""
        self._gather(page)
        self._rows_read += len(page.rows)
        self._session.read[self._kind.name] = self._rows_read
        self._session.note("reconcile", self._kind.name, rows=self._rows_read, requests=self.plan.pages)

    def close_page(self) -> Entry:
        """Hand over pages."""
        rows, doubtful = self._take()

        def write(connection: Connection, seq: int) -> None:
            session, kind = self._session, self._kind
            whole = list({row.id: row for row in keep_absent_fields(connection, kind, rows, doubtful)}.values())
            if not whole:
                return
            note_listed(connection, kind, whole, compare(connection, kind, whole, self._tampered))
            if not self._dry_run:
                tally = write_rows(connection, kind, whole, seq=seq, run_id=session.run_id)
                session.tally(kind.name, tally)
                self.repaired += tally.added + tally.changed

        return write


class ConfirmingBook(ReadingBook):
    """Gathers what Stripe says by id where its list says nothing or too little, and repairs unless it is a dry run.

    What is still there (an object on a test clock is never listed) counts as listed.
    """

    def __init__(self, session: Session, kind: StripeObject, *, tampered: frozenset[str], dry_run: bool) -> None:
        super().__init__(session, kind)
        self._tampered = tampered
        self._dry_run = dry_run
        self._there: list[Row] = []
        self.gone: set[str] = set()

    def keep(self, reading: Reading, row: Row, doubtful: bool) -> None:
        """Gather one object."""
        super().keep(reading, row, doubtful)
        if row.deleted:
            self.gone.add(reading.id)
        else:
            self._there.append(row)

    def close_page(self) -> Entry:
        """Hand over what was gathered."""
        there, self._there = self._there, []
        gone = table_of_ids(self.gone)
        repair = super().close_page()

        def write(connection: Connection, seq: int) -> None:
            if there:
                note_listed(connection, self._kind, there, compare(connection, self._kind, there, self._tampered))
            execute_with(connection, gone, _SQL["delete_listed"], [self._kind.name])
            if not self._dry_run:
                repair(connection, seq)

        return write


def note_listed(connection: Connection, kind: StripeObject, rows: Iterable[Row], findings: dict[str, Finding]) -> None:
    """Note rows as being in Stripe, with what was found about them."""
    listed = [(kind.name, row.id, row.created, row.content_hash, findings.get(row.id), row.read_at) for row in rows]
    names = ("object", "id", "created", "content_hash", "finding", "read_at")
    arrivals = table_of(names, listed, {})
    execute_with(connection, arrivals, _SQL["delete_listed"], [kind.name])
    execute_with(connection, arrivals, _SQL["insert_listed"])


def compare(
    connection: Connection, kind: StripeObject, rows: list[Row], tampered: frozenset[str]
) -> dict[str, Finding]:
    """Say which listed rows are missing or have another content in the warehouse.

    A row that was overtaken says nothing: its object is read again.
    """
    known = read_known(connection, kind, [row.id for row in rows])
    findings: dict[str, Finding] = {}
    now = moment()
    for row in rows:
        stored = known.get(row.id)
        if stored is not None and is_overtaken(row, stored, now):
            continue
        if stored is None or stored.deleted:
            findings[row.id] = "missing"
        elif (
            row.id in tampered
            or stored.content_hash != row.content_hash
            or stored.customer_id != row.customer_id
            or stored.created != row.created
        ):
            findings[row.id] = "changed"
    return findings
