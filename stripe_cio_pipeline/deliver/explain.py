"""`explain`: everything that is known of one person, from the Stripe events to what became of every write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """An event in Stripe that concerns the person; `created` is unix seconds of Stripe's clock."""

    event_id: str
    type: str
    created: int
    customer_id: str | None


#: Why something was sent when it was: a Stripe event; other models; another day by which they compute; a value that
#: somebody changed in Customer.io; or what was turned down and is tried again.
Cause = Literal["event", "models", "day", "drift", "retry"]


_OTHERWISE: Mapping[str | None, Cause] = {"models": "models", "day": "day"}


@dataclass(frozen=True, slots=True)
class Write:
    """One operation as it was sent: what it changed, why, because of what, and what became of it.

    `source_event_id` is the newest Stripe event of the customer, and names the cause only where `cause` is `event`.
    `outcome` is `accepted` or `rejected`, with `detail` saying why; `status` is that of the call.
    """

    sent_at: datetime
    action: str
    reason: str | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    source_event_id: str | None
    event_id: str | None
    outcome: str
    detail: str | None
    run_id: str | None
    plan_id: str | None
    request_id: str | None
    status: int | None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that Customer.io turned down and that was not taken since."""

    action: str
    event_id: str | None
    reason: str
    field: str | None
    message: str | None
    first_at: datetime
    last_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What the plan that stands says about the person."""

    action: str
    reason: str
    explanation: str | None
    event_id: str | None


@dataclass(frozen=True, slots=True)
class SentEvent:
    """A forwarded event and its outcome; `created` is unix seconds of Stripe's clock."""

    event_id: str
    name: str | None
    created: int | None
    state: str
    accepted_at: datetime | None
    reason: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What reading back from Customer.io has found."""

    verified_at: datetime
    finding: str
    field: str | None
    run_id: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole history of one person. `state` is the ledger's, None where nothing was accepted yet.

    Of an event that is nobody's, `person_id` is the event's id, `state` is `skipped`, and `state_reason` says why.
    """

    person_id: str
    customers: tuple[str, ...]
    state: str | None
    state_reason: str | None
    id: str | None
    cio_id: str | None
    linked_at: datetime | None
    accepted_at: datetime | None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stripe_events: tuple[StripeEvent, ...] = ()
    planned: tuple[Planned, ...] = ()
    writes: tuple[Write, ...] = ()
    events: tuple[SentEvent, ...] = ()
    rejections: tuple[Rejected, ...] = ()
    findings: tuple[Found, ...] = ()


def explain(connection: Connection, person: str) -> Explanation:
    """Tell the history of a person, named by customer id (`cus_...`), Customer.io id, email or event id (`evt_...`).

    Raises PipelineError where nobody is found.
    """
    name = person.strip()
    row = connection.execute(_SQL["find_person"], {"name": name}).fetchone()
    if row is None and (skipped := connection.execute(_SQL["find_skipped"], {"name": name}).fetchone()):
        told = connection.execute(_SQL["explain_skipped"], {"name": name}).fetchall()
        return _of_nobody(name, str(skipped[0]), tuple(StripeEvent(*values) for values in told))
    if row is None:
        kind = "event" if name.startswith("evt_") else "email" if "@" in name else "id"
        raise PipelineError(
            f"Nobody in the warehouse is known by this {kind}.",
            "Name a Stripe customer (cus_...), an email or a Stripe event (evt_...), and run stripe-cio sync first if "
            "the person is new.",
        )
    person_id = str(row[0])
    who = {"person_id": person_id}

    def rows(statement: str) -> list[tuple[Any, ...]]:
        return connection.execute(_SQL[statement], who).fetchall()

    findings = tuple(Found(*values) for values in rows("explain_findings"))
    writes, renewals = [], []
    for sent_at, action, reason, before, after, *rest, renewed in rows("explain_writes"):
        writes.append(Write(sent_at, action, reason, _object(before), _object(after), *rest))
        renewals.append(renewed)
    ledger = connection.execute(_SQL["explain_ledger"], who).fetchone() or (None,) * 7
    return Explanation(
        person_id=person_id,
        customers=tuple(str(customer) for (customer,) in rows("explain_customers")),
        state=ledger[0],
        state_reason=ledger[1],
        id=ledger[2],
        cio_id=ledger[3],
        linked_at=ledger[4],
        accepted_at=ledger[5],
        attributes=_object(ledger[6]),
        stripe_events=tuple(StripeEvent(*values) for values in rows("explain_stripe_events")),
        planned=tuple(Planned(*values) for values in rows("explain_plan")),
        writes=tuple(
            replace(write, cause=_cause(write, writes[:number], findings, renewals[number]))
            for number, write in enumerate(writes)
        ),
        events=tuple(SentEvent(*values) for values in rows("explain_events")),
        rejections=tuple(Rejected(*values) for values in rows("explain_rejections")),
        findings=findings,
    )


def _of_nobody(event_id: str, reason: str, told: tuple[StripeEvent, ...]) -> Explanation:
    return Explanation(
        person_id=event_id,
        customers=(),
        state="skipped",
        state_reason=reason,
        id=None,
        cio_id=None,
        linked_at=None,
        accepted_at=None,
        stripe_events=told,
    )


def _cause(write: Write, earlier: list[Write], findings: tuple[Found, ...], renewed: str | None) -> Cause | None:
    """Tell why this was sent then; None where nothing says so. `earlier` is in the order of sending.

    `renewed` says by what people were computed otherwise than for the plan before: models, day, nothing, or not known.
    """
    if write.event_id is not None:
        return "event"
    same = [each for each in earlier if each.action == write.action and each.after == write.after]
    if any(each.outcome == "rejected" for each in same):
        return "retry"
    last = max((each.sent_at for each in earlier), default=None)
    drifted = {
        each.field
        for each in findings
        if each.finding == "drift" and each.verified_at <= write.sent_at and (last is None or each.verified_at > last)
    }
    if drifted & write.after.keys():
        return "drift"
    if write.source_event_id is None:
        return _OTHERWISE.get(renewed) if earlier else None
    # What the event changed went out with it, but for what follows an identifier that travelled alone.
    told = [each for each in earlier if each.source_event_id == write.source_event_id and each.event_id is None]
    if not any(each.after.keys() - {"id", "email"} for each in told):
        return "event"
    return "models" if renewed is None else _OTHERWISE.get(renewed)


def _object(text: str | None) -> dict[str, Any]:
    read = json.loads(text) if text else {}
    return read if isinstance(read, dict) else {}
