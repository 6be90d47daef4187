"""What planning gives back. Frozen and plain, so that a report can be shown as JSON."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """How many people get which action, and how many events go out.

    Every person counts once: `identify + update + delete + suppress + merge + hold + waiting + rejected + keep`
    is `people`. `waiting` is due later (a link or an email settles), `rejected` was turned down before with the same
    content. `waiting_events` wait for their person, `rejected_events` were turned down before. `skipped_events`
    name no customer and are not forwarded; they are counted once.
    """

    identify: int = 0
    update: int = 0
    delete: int = 0
    suppress: int = 0
    merge: int = 0
    hold: int = 0
    event: int = 0
    keep: int = 0
    waiting: int = 0
    rejected: int = 0
    people: int = 0
    waiting_events: int = 0
    rejected_events: int = 0
    skipped_events: int = 0

    @property
    def operations(self) -> int:
        """Number of operations that delivery will send."""
        return self.identify + self.update + self.delete + self.suppress + self.merge + self.event


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """One rule that the plan breaks. `examples` are person ids."""

    rule: str
    limit: float
    value: float
    message: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """Whether the plan waits for an approval. `stopped` is false where nothing is wrong, or where it was approved.

    `approved`: what is over a limit in it was. `first_load`: most of those whom Stripe has were never in Customer.io.
    """

    stopped: bool = False
    findings: tuple[GuardFinding, ...] = ()
    approved: bool = False
    first_load: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next delivery sends. `plan_id` is a hash of its content.

    `by_reason` counts whatever is planned or waits, `by_attribute` counts among updates. `full` tells whether everybody
    was compared, or only who may have changed; the result is the same. `seconds` is the time that planning took.
    """

    plan_id: str
    counts: PlanCounts
    by_reason: dict[str, int]
    by_attribute: dict[str, int]
    guard: GuardVerdict
    planned_at: datetime
    full: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One operation as the plan shows it. `before` and `after` hold only what changes; none is a removal."""

    action: str
    person_id: str | None
    reason: str
    explanation: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    event_id: str | None = None
    source_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan that was not kept, with its first rows."""

    plan: Plan
    rows: tuple[PreviewRow, ...]
