"""Running the models: the same SQL over everything, or over the customers that changed and whoever is one person with them.

Everything happens in one transaction. What a file reads is decided by the search path: `stripe` for `objects/*.sql` and
`model` for the rest, with temporary tables of the same names in front of them where only a part is meant. (An attached
in-memory database could not be that part: DuckDB lets one transaction write to one database only, and temporary tables are
the exception.)
"""

import time
from collections.abc import Callable, Iterable

from stripe_cio_pipeline.model.check import located
from stripe_cio_pipeline.model.files import RAW, ModelFile, Models, fingerprint, load_models
from stripe_cio_pipeline.model.limits import apply_limits, output_columns, projection
from stripe_cio_pipeline.model.report import Column, LimitFinding, ModelReport
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq, read_cursor, write_cursor

_ACTS = Statements("stripe_cio_pipeline.model.acts")

#: Columns of `model.people` that are never sent: when the row was computed, the newest Stripe event behind it, and the
#: attribute for which the person is not to be sent at all.
BOOKKEEPING = ("_seq", "_source_event_id", "_rejected")


def build(
    warehouse: Warehouse,
    policy: Policy,
    *,
    run_id: str,
    full: bool = False,
    now: Callable[[], float] = time.time,
) -> ModelReport:
    """Bring `model.*` up to date with `stripe.*`.

    Only what changed is computed, unless `full` is set, nothing was built yet, or a model's SQL or a policy that it depends
    on is another than at the last build. Raises ModelError with file, line and column where a model cannot run.
    """
    started = now()
    models = load_models(policy.models.folder)
    with warehouse.transaction() as connection:
        return _Build(connection, policy, models, run_id, full=full).run(lambda: now() - started)


class _Build:
    """One build inside the caller's transaction."""

    def __init__(self, connection: Connection, policy: Policy, models: Models, run_id: str, *, full: bool) -> None:
        self._connection = connection
        self._policy = policy
        self._models = models
        self._run_id = run_id
        self._mark = -1 if full else int(read_cursor(connection, "model.mark") or -1)
        self._full = full

    def run(self, elapsed: Callable[[], float]) -> ModelReport:
        connection = self._connection
        self._define()
        connection.execute(_ACTS["changed"], {"mark": self._mark})
        changed = _count(connection, "changed")
        stale = [file for file in self._models.objects if self._full or self._is_stale(file.name, file.sql)]
        people_stale = bool(stale) or self._full or self._is_stale("people", *self._people_parts())
        events_stale = bool(stale) or self._full or self._is_stale("events", *self._event_parts())
        new_events = self._new_events()
        if not (changed or people_stale or events_stale or new_events):
            return self._report(changed=0, customers=0, full=False, findings=(), seconds=elapsed())
        seq = next_seq(connection)
        self._objects(stale, narrow=not people_stale)
        findings: tuple[LimitFinding, ...] = ()
        customers = people = 0
        if people_stale or changed:
            if not people_stale:
                customers = self._narrow()
            people, findings = self._people(seq, narrow=not people_stale)
            self._show_everything()
        if people_stale:
            customers = _count(connection, "model.customers")
        self._events(full=events_stale)
        self._remember(seq)
        return self._report(
            changed=people, customers=customers, full=people_stale, findings=findings, seconds=elapsed()
        )

    # What is known of the last build.

    def _people_parts(self) -> tuple[str, ...]:
        files = (self._models.functions, self._models.members, *self._models.helpers, self._models.people)
        policy = self._policy
        return (
            *(f"{file.name}\n{file.sql}" for file in files),
            policy.identity.strategy,
            policy.identity.metadata_key or "",
            policy.customerio.oversize_value,
        )

    def _event_parts(self) -> tuple[str, ...]:
        return (self._models.functions.sql, *(file.sql for file in self._models.helpers), self._models.events.sql)

    def _is_stale(self, name: str, *parts: str) -> bool:
        return read_cursor(self._connection, f"model.sql.{name}") != fingerprint(*parts)

    def _remember(self, seq: int) -> None:
        for file in self._models.objects:
            self._set(f"model.sql.{file.name}", fingerprint(file.sql))
        self._set("model.sql.people", fingerprint(*self._people_parts()))
        self._set("model.sql.events", fingerprint(*self._event_parts()))
        self._set("model.mark", str(seq))

    def _set(self, cursor: str, value: str) -> None:
        if read_cursor(self._connection, cursor) != value:
            write_cursor(self._connection, cursor, value, self._run_id)

    def _new_events(self) -> bool:
        row = self._connection.execute("select count(*) from stripe.events where seq > ?", [self._mark]).fetchone()
        return row is not None and row[0] > 0

    # The layers.

    def _define(self) -> None:
        define(self._connection, self._models, self._policy)

    def _objects(self, stale: Iterable[ModelFile], *, narrow: bool) -> None:
        connection = self._connection
        connection.execute("create or replace temp table touched (customer_id varchar)")
        if narrow:
            connection.execute(_ACTS["touched"])
        rebuilt = {file.name for file in stale}
        for file in self._models.objects:
            with located(file):
                connection.execute("set search_path = 'stripe'")
                if file.name in rebuilt:
                    connection.execute(f"create or replace table model.{file.name} as\n{file.query}")
                else:
                    self._replace(file)
        connection.execute("set search_path = 'model'")
        if narrow:
            connection.execute(_ACTS["touched"])

    def _replace(self, file: ModelFile) -> None:
        """Compute a typed table anew for the raw objects that changed: its first column says which rows are theirs."""
        connection = self._connection
        for raw in file.reads(RAW):
            row = connection.execute("select count(*) from changed where object = ?", [raw]).fetchone()
            if row is None or not row[0]:
                continue
            key = connection.execute(f"describe model.{file.name}").fetchall()[0][0]
            connection.execute(
                f'delete from model.{file.name} where "{key}" in (select id from changed where object = ?)', [raw]
            )
            connection.execute(
                f"create or replace temp view {raw} as select * from stripe.{raw} where seq > {self._mark:d}"
            )
            connection.execute(f"insert into model.{file.name}\n{file.query}")
            connection.execute(f"drop view temp.{raw}")

    def _narrow(self) -> int:
        """Put temporary tables with a part of the rows before the full ones. Gives the number of customers that changed."""
        connection = self._connection
        connection.execute(
            "create or replace temp table scope as select distinct customer_id from touched where customer_id is not null"
        )
        changed = _count(connection, "scope")
        size = -1
        while size != (size := _count(connection, "scope")):
            connection.execute(_ACTS["widen_scope"])
        for file in self._models.objects:
            key = self._customer_column(file.name)
            if key is not None:
                connection.execute(
                    f"create or replace temp table {file.name} as "
                    f'select * from model.{file.name} where "{key}" in (select customer_id from scope)'
                )
        return changed

    def _customer_column(self, table: str) -> str | None:
        if table == "customers":
            return "id"
        names = {name for name, *_ in self._connection.execute(f"describe model.{table}").fetchall()}
        return "customer_id" if "customer_id" in names else None

    def _people(self, seq: int, *, narrow: bool) -> tuple[int, tuple[LimitFinding, ...]]:
        connection = self._connection
        members = self._models.members
        with located(members):
            connection.execute(f"create or replace temp table new_members as\n{members.query}")
        if narrow:
            connection.execute(
                "create or replace temp table old_people as "
                "select distinct person_id from model.members where customer_id in (select customer_id from scope)"
            )
            connection.execute("delete from model.members where customer_id in (select customer_id from scope)")
            connection.execute("insert into model.members from new_members")
        else:
            connection.execute("create or replace table model.members as from new_members")
        connection.execute("alter table new_members rename to members")
        for helper in self._models.helpers:
            with located(helper):
                connection.execute(f"create or replace temp table {helper.name} as\n{helper.query}")
        connection.execute(_ACTS["newest_events"])
        people = self._models.people
        with located(people):
            columns = output_columns(connection, people)
            connection.execute(
                f"create or replace temp table new_people as\n"
                f"select {projection(columns)}, {seq:d}::bigint as _seq, newest.newest[3] as _source_event_id, "
                f"null::varchar as _rejected from (\n{people.query}) as people "
                f"left join newest_events as newest on people.person_id = newest.person_id"
            )
        findings = apply_limits(connection, "new_people", columns, self._policy.customerio.oversize_value)
        if narrow:
            connection.execute("delete from model.people where person_id in (select person_id from old_people)")
            connection.execute("delete from model.people where person_id in (select person_id from new_people)")
            connection.execute("insert into model.people from new_people")
        else:
            connection.execute("create or replace table model.people as from new_people")
        return _count(connection, "new_people"), findings

    def _show_everything(self) -> None:
        names = [file.name for file in self._models.objects] + ["members"]
        for name in names:
            self._connection.execute(f"drop table if exists temp.{name}")

    def _events(self, *, full: bool) -> None:
        connection = self._connection
        file = self._models.events
        mark = -1 if full else self._mark
        connection.execute(f"create or replace temp view events as select * from stripe.events where seq > {mark:d}")
        shape = "select event_id, type, customer_id, created, name, json_merge_patch('{}', data::json) as data"
        with located(file):
            query = f"{shape} from (\n{file.query}) as events"
            if full:
                connection.execute(f"create or replace table model.events as {query}")
            else:
                connection.execute(f"insert into model.events {query}")
        connection.execute("drop view temp.events")

    def _report(
        self, *, changed: int, customers: int, full: bool, findings: tuple[LimitFinding, ...], seconds: float
    ) -> ModelReport:
        connection = self._connection
        columns = tuple(
            Column(name, kind)
            for name, kind, *_ in connection.execute("describe model.people").fetchall()
            if name not in BOOKKEEPING
        )
        return ModelReport(
            people=_count(connection, "model.people"),
            changed=changed,
            customers_changed=customers,
            events=_count(connection, "model.events"),
            columns=columns,
            full=full,
            findings=findings,
            seconds=seconds,
        )


def define(connection: Connection, models: Models, policy: Policy) -> None:
    """Make what every model may use: the functions, and the one-row table `identity` with the policy's strategy."""
    with located(models.functions):
        connection.execute(models.functions.sql)
    connection.execute(
        "create or replace temp table identity as select ?::varchar as strategy, ?::varchar as metadata_key",
        [policy.identity.strategy, policy.identity.metadata_key],
    )


def _count(connection: Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
