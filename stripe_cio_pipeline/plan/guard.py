"""When a plan is too large to be sent unasked. Pure: numbers in, findings out.

A limit holds for what goes in any hour, and twice as much may go in any day (`guard.times_a_day`): what was sent lately
counts with the plan, so that a change that comes in slices is stopped where it would be as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stripe_cio_pipeline.errors import GuardStop
from stripe_cio_pipeline.plan.values import GuardFinding, Plan
from stripe_cio_pipeline.policy import Guard

#: Below this number of known people a share says nothing.
SHARE_FROM = 100


@dataclass(frozen=True, slots=True)
class Measure:
    """So many people are new, change, are removed (changed too), get another id (changed too), and so many events."""

    new: int = 0
    changed: int = 0
    removed: int = 0
    reassigned: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """What a plan is measured against.

    `known` is the number of people in Customer.io that are ours, `first_load` whether most of those whom Stripe has
    were never there yet. `sent` is what was sent within so many hours, people of the plan left out.
    """

    known: int
    first_load: bool
    sent: Mapping[int, Measure]


def findings(plan: Measure, scale: Scale, guard: Guard) -> tuple[GuardFinding, ...]:
    """Name each rule of the guard that the plan breaks, with its limit and the value."""
    found: list[GuardFinding] = []
    windows = {1: ("the last hour", 1.0), 24: ("the last day", guard.times_a_day)}

    def check(rule: str, limit: float | None, now: int, before: dict[int, int], message: str, per: int = 1) -> None:
        """Measure now and before against a limit; `per` is what it is a share of."""
        for hours, (words, times) in windows.items():
            most = None if limit is None else limit * times
            total = now + before[hours]
            if now and most is not None and total > most * per:
                beside = f" {before[hours]} were sent in {words}." if before[hours] else ""
                found.append(GuardFinding(rule, most, total / per if per > 1 else total, message + beside))
                return

    def sent(name: str) -> dict[int, int]:
        return {hours: getattr(scale.sent.get(hours, Measure()), name) for hours in windows}

    if scale.first_load and plan.new:
        if guard.first_load == "approve":
            found.append(
                GuardFinding(
                    "first_load",
                    0,
                    plan.new,
                    f"This is the first load: {plan.new} people are linked or created, which may start campaigns.",
                )
            )
    else:
        check(
            "assigned_ids",
            max(SHARE_FROM, guard.max_changed_share * scale.known),
            plan.new,
            sent("new"),
            f"{plan.new} new people are linked or created, beside {scale.known} known ones.",
        )
    if scale.known >= SHARE_FROM:
        check(
            "max_changed_share",
            guard.max_changed_share,
            plan.changed,
            sent("changed"),
            f"{plan.changed} of {scale.known} known people change.",
            per=scale.known,
        )
    both = {hours: sent("new")[hours] + sent("changed")[hours] for hours in windows}
    people = plan.new + plan.changed
    check("max_changed_people", guard.max_changed_people, people, both, f"{people} people change.")
    check(
        "max_deleted_people",
        guard.max_deleted_people,
        plan.removed,
        sent("removed"),
        f"{plan.removed} people are deleted, suppressed or merged.",
    )
    check(
        "max_reassigned_ids",
        guard.max_reassigned_ids,
        plan.reassigned,
        sent("reassigned"),
        f"{plan.reassigned} people get another id.",
    )
    check("max_events", guard.max_events, plan.events, sent("events"), f"{plan.events} events are sent.")
    return tuple(found)


def guard_stop(plan: Plan) -> GuardStop:
    """Give the error of a stopped plan: what to do about it, and which limits it is over. Told alike everywhere."""
    return GuardStop(f"The guard stopped plan {plan.plan_id}, and nothing was sent. {found_words(plan)}", remedy(plan))


def found_words(plan: Plan) -> str:
    """Say which limits a plan is over."""
    return " ".join(finding.message for finding in plan.guard.findings)


#: What to do about a stopped plan that nobody wants.
OTHERWISE = (
    "If it is not intended, correct the models or the data: the next run plans again. The limits are under guard in "
    "the policy."
)


def remedy(plan: Plan) -> str:
    """Say how a stopped plan is looked at and approved, and how to be asked less often."""
    return (
        f"Look at it with stripe-cio plan. If this is intended: stripe-cio sync --approve-plan {plan.plan_id}, or in "
        "Dagster as the check guard of customerio/plan shows. stripe-cio sync --approve lets through whatever the next "
        f"run plans. {OTHERWISE}"
    )
