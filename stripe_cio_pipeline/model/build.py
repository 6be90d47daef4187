"""Running the models: the same SQL over everything, or over what changed and whoever is one person with it.

Everything happens in one transaction. What a file reads is decided by the search path: `stripe` for `objects/*.sql`,
`model` for the rest, with temporary tables of the same names before them where only a part is meant. (The part cannot
stand in an attached database: DuckDB lets a transaction write to one database only, temporary tables excepted.)
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import takewhile

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import tables
from stripe_cio_pipeline.model.check import Bounded, located
from stripe_cio_pipeline.model.columns import hold_to_columns
from stripe_cio_pipeline.model.events import ingredients, show_events, write_events
from stripe_cio_pipeline.model.files import RAW, ModelFile, Models, fingerprint, load_models
from stripe_cio_pipeline.model.limits import apply_limits, as_attribute, check_columns
from stripe_cio_pipeline.model.report import Column, LimitFinding, ModelReport
from stripe_cio_pipeline.model.rules import hold_to_rules, hold_to_rules_once
from stripe_cio_pipeline.model.scope import Scope, keyed
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq, read_cursors, write_cursor

_ACTS = Statements("stripe_cio_pipeline.model.acts")

#: Columns of `model.people` that are never sent: when the row became what it is, the newest Stripe event behind it, the
#: attribute for whose sake the person is not to be sent at all, and a hash of the row as it was computed (null where a
#: limit changed the row after that).
BOOKKEEPING = ("_seq", "_source_event_id", "_rejected", "_hash")

#: Memory that computing one person takes: joins of wide rows cannot be moved to disk while they run. A million people
#: with a subscription, an invoice and a charge each were computed in two parts within 1 GB; this is half as much again.
BYTES_PER_PERSON = 3_000

#: A hash alone is three times as fast as looking everybody up: only who is in another part than their person is.
_IN_PART = "(hash({{key}}) % {parts:d} = {part:d}) <> ({{key}} in (select customer_id from astray))"

#: How a query gets its name: `tables.show` or `tables.create`.
Making = Callable[[Connection, str, str], None]


def build(
    warehouse: Warehouse,
    policy: Policy,
    *,
    run_id: str,
    full: bool = False,
    now: Callable[[], float] = time.time,
    part_size: int | None = None,
    over_none: bool = False,
) -> ModelReport:
    """Bring `model.*` up to date with `stripe.*`.

    Only what changed is computed, unless `full` is set, nothing was built yet, or a model's SQL or a policy that it
    depends on is not what it was. `part_size` is how many customers are computed at once; by default as many as
    DuckDB's memory limit allows. With `over_none` every file runs where there are no rows for it, too. Raises
    ModelError with file, line and column where a model cannot run.
    """
    started = now()
    models = load_models(policy.models.folder)
    if not warehouse.exists:  # models that are refused make none
        hold_to_rules(models)
    day = day_of(started)
    # All settings are locked, because a model may be anybody's SQL, and stay so for as long as the file is open.
    with warehouse.apart(), warehouse.transaction() as connection:
        running = _Build(connection, policy, models, run_id, day, full=full, part_size=part_size, over_none=over_none)
        return running.run(lambda: now() - started)


def check_models(policy: Policy) -> ModelReport:
    """Run all models over an empty warehouse in memory, a minute at most. Raises ModelError with file and place."""
    return build(Bounded(":memory:"), policy, run_id="check", over_none=True)


def day_of(moment: float) -> str:
    """Give the day of a moment in unix seconds, in UTC: `2026-01-31`."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


class _Build:
    """One build inside the caller's transaction."""

    def __init__(
        self,
        connection: Connection,
        policy: Policy,
        models: Models,
        run_id: str,
        day: str,
        *,
        full: bool,
        part_size: int | None,
        over_none: bool = False,
    ) -> None:
        self._connection = connection
        self._policy = policy
        self._models = models
        self._run_id = run_id
        self._day = day
        self._full = full
        self._part_size = part_size
        self._over_none = over_none
        # Of these nothing is the user's, nor of what they read: their columns are right.
        self._ours = {file.name for file in takewhile(lambda file: file.builtin, models)}
        self._seq = -1
        self._shown: dict[str, str] = {}
        self._not_granted: list[str] = []
        self._known: dict[str, str] = read_cursors(connection)
        self._mark = -1 if full else int(self._known.get("model.mark") or -1)
        held, self._dated = hold_to_rules_once(models, "" if full else self._known.get("model.held", ""))
        if held != self._known.get("model.held"):
            write_cursor(connection, "model.held", held, run_id)

    def run(self, elapsed: Callable[[], float]) -> ModelReport:
        connection = self._connection
        connection.execute(_ACTS["lock"])
        self._define()
        connection.execute(_ACTS.since("changed", self._mark))
        changed = tables.count(connection, "changed") > 0
        stale = tuple(file for file in self._models.objects if self._is_stale(file.name, *self._parts(file)))
        people_stale = bool(stale) or self._is_stale("people", *self._people_parts())
        day_turned = self._day_turned() and not people_stale
        people_stale = people_stale or day_turned
        events_stale = bool(stale) or self._is_stale("events", *self._event_parts())
        if not (changed or people_stale or events_stale or self._has_new_events()):
            return self._report(elapsed)
        seq = self._seq = next_seq(connection)
        scope = self._objects(stale, narrow=changed and not people_stale)
        people = customers = 0
        findings: tuple[LimitFinding, ...] = ()
        if people_stale:
            self._hold(self._models.members)
            customers = tables.count(connection, "model.customers")
            people, findings = self._all_people(seq)
        elif scope is not None:
            customers, people, findings = self._changed_people(scope, seq)
        if events_stale or self._has_new_events():
            self._events(full=events_stale)
        self._remember(seq)
        return self._report(
            elapsed, changed=people, customers=customers, full=people_stale, day_turned=day_turned, findings=findings
        )

    # What was built last.

    def _people_parts(self) -> tuple[str, ...]:
        models, policy = self._models, self._policy
        return (
            *(
                f"{file.name}\n{part}"
                for file in (models.functions, models.members, *models.helpers, models.people)
                for part in self._parts(file)
            ),
            policy.identity.strategy,
            policy.identity.metadata_key or "",
            policy.customerio.oversize_value,
            *self._not_granted,
        )

    def _event_parts(self) -> tuple[str, ...]:
        return (
            self._models.functions.sql,
            *self._parts(self._models.events),
            *ingredients(self._policy.events),
        )

    def _parts(self, file: ModelFile) -> tuple[str, ...]:
        """Give what a model is made of: its SQL, and the seeds that it reads."""
        if file is self._models.functions:
            return (file.sql,)
        read = file.reads(seed.name for seed in self._models.seeds)
        return file.sql, *(seed.digest for seed in self._models.seeds if seed.name in read)

    def _is_stale(self, name: str, *parts: str) -> bool:
        return self._full or self._known.get(f"model.sql.{name}") != fingerprint(*parts)

    def _day_turned(self) -> bool:
        """Whether models ask for the date, and it is not that of the last build of everybody."""
        return bool(self._dated) and self._known.get("model.day") != self._day

    def _has_new_events(self) -> bool:
        return tables.count(self._connection, f"stripe.events where seq > {self._mark}") > 0

    def _remember(self, seq: int) -> None:
        made = {f"model.sql.{file.name}": fingerprint(*self._parts(file)) for file in self._models.objects}
        made["model.sql.people"] = fingerprint(*self._people_parts())
        made["model.sql.events"] = fingerprint(*self._event_parts())
        made["model.mark"] = str(seq)
        if self._dated:
            made["model.day"] = self._day
        for cursor, value in made.items():
            if self._known.get(cursor) != value:
                write_cursor(self._connection, cursor, value, self._run_id)

    # The layers.

    def _define(self) -> None:
        """Make what every model may use: functions, `identity` (a row: the policy's strategy), and `not_granted`."""
        if self._dated:
            self._connection.execute(_ACTS["the_day"].replace("$day", self._day))
        with located(self._models.functions):
            self._connection.execute(self._models.functions.sql)
        for seed in self._models.seeds:
            tables.take(self._connection, seed.name, seed.content)
        identity = self._policy.identity
        self._connection.execute(_ACTS["identity"], [identity.strategy, identity.metadata_key])
        self._connection.execute(_ACTS["not_granted"])
        self._not_granted = sorted(name for (name,) in self._connection.execute("from not_granted").fetchall())

    def _objects(self, stale: tuple[ModelFile, ...], *, narrow: bool) -> Scope | None:
        """Bring the typed tables up to date. Gives whom that touches, where only those are computed."""
        connection = self._connection
        scope = Scope(connection, self._models, self._mark) if narrow else None
        for file in self._models.objects:
            connection.execute(_ACTS["read_raw"])
            with located(file):
                if file in stale:
                    self._hold(file)
                    tables.create(connection, f"model.{file.name}", file.query)
                elif scope is not None:
                    scope.renew(file)
                else:
                    self._replace(file)
        connection.execute(_ACTS["read_typed"])
        return scope

    def _hold(self, file: ModelFile) -> None:
        """Hold a model to its columns, unless it can have no others: to bind it for that takes as long as to run it."""
        if file.name not in self._ours:
            self._hold_to_columns(file)

    def _hold_to_columns(self, file: ModelFile) -> tuple[Column, ...]:
        """Give the columns of a model over what is shown. Raises ModelError where it cannot give them."""
        with located(file):
            columns = tables.columns_of(self._connection, file.query)
        seeds = (name for seed in self._models.seeds for name in seed.columns)
        hold_to_columns(file, columns, (*(each.sql for each in self._models), *seeds))
        return columns

    def _replace(self, file: ModelFile) -> None:
        """Compute a typed table anew for the raw objects that changed: its first column says whose rows they are."""
        connection = self._connection
        for raw in file.reads(RAW):
            changed = tables.changed_ids(raw)
            if not tables.count(connection, f"({changed})"):
                continue
            table = f"model.{file.name}"
            first = tables.columns_of(connection, f"from {table}")[0].name
            tables.delete_where(connection, table, first, changed)
            tables.show_newer(connection, raw, self._mark)
            tables.insert(connection, table, file.query)
            tables.hide(connection, "view", [raw])

    def _all_people(self, seq: int) -> tuple[int, tuple[LimitFinding, ...]]:
        """Compute everybody anew. Gives the people computed, and what the limits found."""
        connection = self._connection
        size = self._part_size or max(10_000, tables.memory_limit(connection) // BYTES_PER_PERSON)
        parts = max(1, math.ceil(tables.count(connection, "model.customers") / size))
        with located(self._models.members):
            are_comparable = parts == 1 and self._is_of_this_form("members", self._models.members.query)
        if are_comparable:
            query = self._people_query(seq)
            if self._is_of_this_form("people", query):
                return self._replace_differing(query)
        return self._write_in_parts(seq, parts)

    def _is_of_this_form(self, name: str, query: str) -> bool:
        """Whether a table stands there already that has a query's columns, so that rows can be compared."""
        known = tables.columns_of_table(self._connection, "model", name)
        return bool(known) and known == tables.columns_of(self._connection, query)

    def _replace_differing(self, query: str) -> tuple[int, tuple[LimitFinding, ...]]:
        """Compute everybody at once, and write the rows that differ from those that stand there."""
        connection, members = self._connection, self._models.members
        with located(members):
            connection.execute(_ACTS["compare_members"].replace("members_of_the_model", f"(\n{members.query})"))
        connection.execute(_ACTS["moved_people"])
        connection.execute(_ACTS["move_members"])
        connection.execute(_ACTS["moved_owners"])
        with located(self._models.people):
            connection.execute(_ACTS["compare_people"].replace("people_of_the_model", f"({query})"))
        self._hold_to_one_row_each("(from compared_people where is_computed)")
        connection.execute(_ACTS["differing_people"])
        findings = self._hold_to_limits("new_people")
        connection.execute(_ACTS["replace_people"])
        return tables.count(connection, "compared_people where is_computed"), findings

    def _write_in_parts(self, seq: int, parts: int) -> tuple[int, tuple[LimitFinding, ...]]:
        """Compute and write everybody, in parts, so that memory does not grow with the number of people."""
        connection = self._connection
        connection.execute(_ACTS["write_fast"])
        stood_before = bool(tables.columns_of_table(connection, "model", "people"))
        if stood_before:
            connection.execute(_ACTS["all_former_people"])
        members = self._models.members
        with located(members):
            tables.create(connection, "model.members", members.query)
        connection.execute(_ACTS["any_owner"])
        for part in range(parts):
            if parts > 1:
                connection.execute(_ACTS["create_astray"], {"parts": parts, "part": part})
                condition = _IN_PART.format(parts=parts, part=part)
                self._show_part(condition)
                tables.part_where(connection, "view", "members", condition.format(key="customer_id"))
                self._shown["members"] = "view"
            self._compute(seq, "model.people", append=part > 0)
        self._show_everything()
        connection.execute(_ACTS["write_small"])
        self._hold_to_one_row_each("model.people")
        if stood_before:
            connection.execute(_ACTS["record_former_people"])
        return tables.count(connection, "model.people"), self._hold_to_limits("model.people")

    def _changed_people(self, scope: Scope, seq: int) -> tuple[int, int, tuple[LimitFinding, ...]]:
        """Compute those anew whom the changes touch. Gives the customers that changed, then as `_all_people`."""
        connection = self._connection
        customers, self._shown = scope.gather()
        connection.execute(_ACTS["former_people"])
        members = self._models.members
        with located(members):
            tables.create(connection, "members", members.query)
        self._shown["members"] = "table"
        connection.execute(_ACTS["new_owners"])
        connection.execute(_ACTS["replace_members"])
        # As tables: of few people they are small, and as views they were computed once for each model that reads them.
        self._compute(seq, "new_people", append=False, helpers=tables.create)
        self._hold_to_one_row_each("new_people")
        findings = self._hold_to_limits("new_people")
        connection.execute(_ACTS["replace_people"])
        self._show_everything()
        return customers, tables.count(connection, "new_people"), findings

    def _show_part(self, condition: str) -> None:
        """Put the rows of the customers that meet a condition before the full tables.

        As views, because they are many: a temporary table stays in memory until the transaction ends.
        """
        for file, key in keyed(self._connection, self._models):
            self._shown[file.name] = "view"
            tables.part_where(self._connection, "view", file.name, condition.format(key=key))

    def _show_everything(self) -> None:
        """Drop what stands before the full tables."""
        for name, kind in self._shown.items():
            tables.hide(self._connection, kind, [name])
        self._shown.clear()

    def _compute(self, seq: int, target: str, *, append: bool, helpers: Making = tables.show) -> None:
        """Run the helpers and people.sql over what is shown."""
        query = self._people_query(seq, helpers)
        with located(self._models.people):
            (tables.insert if append else tables.create)(self._connection, target, query)

    def _people_query(self, seq: int, helpers: Making = tables.show) -> str:
        """Make the helpers, and give the query for people over what is shown, with its bookkeeping."""
        connection, people = self._connection, self._models.people
        # What nobody reads for want of rows does not run as a view, and a check is to find what is wrong with it.
        making = tables.create if self._over_none else helpers
        for helper in self._models.helpers:
            self._hold(helper)
            with located(helper):
                making(connection, helper.name, helper.query)
        connection.execute(_ACTS["newest_events"])
        columns = self._hold_to_columns(people)
        check_columns(people, columns)
        return (
            _ACTS["bookkept_people"]
            .replace("$seq", str(seq))
            .replace("$names", ", ".join("people." + tables.quoted(column.name) for column in columns))
            .replace("$attributes", ", ".join(map(as_attribute, columns)))
            .replace("people_of_the_model", people.query)
        )

    def _hold_to_limits(self, target: str) -> tuple[LimitFinding, ...]:
        columns = tables.columns_of(self._connection, f"from {target}")
        attributes = tuple(column for column in columns if column.name not in BOOKKEEPING)
        return apply_limits(self._connection, target, attributes, self._policy.customerio.oversize_value)

    def _hold_to_one_row_each(self, target: str) -> None:
        found = self._connection.execute(_ACTS["repeated_person"].replace("model.people", target)).fetchone()
        if found is not None:
            raise ModelError(
                f"{self._models.people.where} gives {found[1]} rows for the person {found[0]}.",
                "Each person needs one row: look for a join that finds several.",
            )

    def _events(self, *, full: bool) -> None:
        connection, file = self._connection, self._models.events
        show_events(connection, self._policy.events, -1 if full else self._mark)
        self._hold(file)
        write_events(connection, file, full=full, over_none=self._over_none)

    def _report(
        self,
        elapsed: Callable[[], float],
        *,
        changed: int = 0,
        customers: int = 0,
        full: bool = False,
        day_turned: bool = False,
        findings: tuple[LimitFinding, ...] = (),
    ) -> ModelReport:
        connection = self._connection
        columns = tables.columns_of(connection, "from model.people")
        return ModelReport(
            people=tables.count(connection, "model.people"),
            changed=changed,
            customers_changed=customers,
            events=tables.count(connection, "model.events"),
            columns=tuple(column for column in columns if column.name not in BOOKKEEPING),
            full=full,
            findings=findings,
            seconds=elapsed(),
            dated=self._dated,
            day_turned=day_turned,
            written=tables.count(connection, f"model.people where _seq = {self._seq:d}") if day_turned else 0,
        )
