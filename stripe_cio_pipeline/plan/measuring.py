"""What a plan, and what was sent lately, come to for the guard."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stripe_cio_pipeline.plan.guard import Measure, Scale, findings
from stripe_cio_pipeline.plan.values import GuardFinding, GuardVerdict, PlanCounts
from stripe_cio_pipeline.policy import Guard
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor

_SQL = Statements("stripe_cio_pipeline.plan.sql")
#: How many people a guard's finding names.
_EXAMPLES = 5
_OPERATIONS = "customerio.operations"
_REASSIGNED = ("id_changed", "owner_replaced")
_REMOVALS = ("delete", "suppress", "merge")


@dataclass(frozen=True, slots=True)
class Counted:
    """A plan in numbers: `known` people are in Customer.io, `actions` counts operations by action and reason."""

    counts: PlanCounts
    known: int
    by_reason: dict[str, int]
    actions: list[tuple[str, str, int]]


def measure(
    connection: Connection, guard: Guard, counted: Counted, *, table: str, start: int, is_approved: bool
) -> GuardVerdict:
    """Measure the plan in `table`, behind the position `start`, and give the verdict.

    `is_approved`: some of what stands was approved (`approved_rows`), and that is not measured again.
    """
    plan, sent = _measure(counted.actions), {}
    ((lately,),) = connection.execute(_SQL["count_sent"]).fetchall()
    if is_approved or lately:
        view = _SQL["measured_rows"].replace("$start", str(start)).replace(_OPERATIONS, table)
        connection.execute(view)
        plan = _measure(connection.execute(_SQL["count_measured"]).fetchall())
        sent = {hours: Measure(*numbers) for hours, *numbers in connection.execute(_SQL["measure_sent"]).fetchall()}
    counts = counted.counts
    is_first = not read_cursor(connection, "plan.loaded") and 2 * counted.known < max(1, counts.people - counts.hold)
    # Whoever joins a first load that was approved is measured like everybody later.
    scale = Scale(known=counted.known, first_load=is_first and not is_approved, sent=sent)
    found = tuple(
        replace(finding, examples=_examples(connection, finding, table, start))
        for finding in findings(plan, scale, guard)
    )
    return GuardVerdict(stopped=bool(found), findings=found, approved=is_approved and not found, first_load=is_first)


def _measure(rows: Sequence[tuple[str, str, int]]) -> Measure:
    """Sort operations, counted by action and reason, into what the guard measures."""
    total = Counter[str]()
    for action, _, number in rows:
        total[action] += number
    removed = sum(total[action] for action in _REMOVALS)
    # A linked person whose id changes is an identify too, but no new one.
    reassigned = sum(number for action, reason, number in rows if action == "identify" and reason in _REASSIGNED)
    return Measure(
        new=total["identify"] - reassigned,
        changed=total["update"] + removed + reassigned,
        removed=removed,
        reassigned=reassigned,
        events=total["event"],
    )


def _examples(connection: Connection, finding: GuardFinding, table: str, start: int) -> tuple[str, ...]:
    actions = {
        "first_load": ["identify"],
        "assigned_ids": ["identify"],
        "max_reassigned_ids": ["identify"],
        "max_deleted_people": [*_REMOVALS],
        "max_events": ["event"],
        "max_changed_share": ["update", *_REMOVALS],
    }.get(finding.rule, ["identify", "update", *_REMOVALS])
    reasons = [*_REASSIGNED] if finding.rule == "max_reassigned_ids" else None
    rows = connection.execute(
        _SQL["examples"].replace(_OPERATIONS, table),
        {"start": start, "actions": actions, "reasons": reasons, "rows": _EXAMPLES},
    ).fetchall()
    return tuple(person for (person,) in rows)
