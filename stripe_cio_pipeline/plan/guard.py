"""When a plan is too large to be sent unasked. Pure: numbers in, findings out."""

from dataclasses import dataclass

from stripe_cio_pipeline.plan.values import GuardFinding, PlanCounts
from stripe_cio_pipeline.policy import Guard

#: Below this number of known people a share says nothing.
SHARE_FROM = 100


@dataclass(frozen=True, slots=True)
class Scale:
    """What a plan is measured against.

    `known` is the number of people in Customer.io that are ours, `first_load` whether no plan with new people was ever
    delivered to its end, `reassigned` how many people get another id than they have.
    """

    known: int
    first_load: bool
    reassigned: int


def findings(counts: PlanCounts, scale: Scale, guard: Guard) -> tuple[GuardFinding, ...]:
    """Name each rule of the guard that the plan breaks, with its limit and the plan's value."""
    found: list[GuardFinding] = []

    def check(rule: str, limit: float | None, value: float, message: str) -> None:
        if limit is not None and value > limit:
            found.append(GuardFinding(rule, limit, value, message))

    removed = counts.delete + counts.suppress + counts.merge
    # A linked person whose id changes is an identify too, but no new one.
    changed = counts.update + removed + scale.reassigned
    new = counts.identify - scale.reassigned
    if scale.first_load and new > 0:
        if guard.first_load == "approve":
            found.append(
                GuardFinding(
                    "first_load",
                    0,
                    new,
                    f"This is the first load: {new} people are linked or created, which may start campaigns.",
                )
            )
    elif scale.known >= SHARE_FROM:
        check(
            "assigned_ids",
            max(SHARE_FROM, guard.max_changed_share * scale.known),
            new,
            f"{new} new people are linked or created, beside {scale.known} known ones.",
        )
    if scale.known >= SHARE_FROM:
        check(
            "max_changed_share",
            guard.max_changed_share,
            changed / scale.known,
            f"{changed} of {scale.known} known people change.",
        )
    check("max_changed_people", guard.max_changed_people, new + changed, f"{new + changed} people change.")
    check(
        "max_deleted_people", guard.max_deleted_people, removed, f"{removed} people are deleted, suppressed or merged."
    )
    check(
        "max_reassigned_ids", guard.max_reassigned_ids, scale.reassigned, f"{scale.reassigned} people get another id."
    )
    check("max_events", guard.max_events, counts.event, f"{counts.event} events are sent.")
    return tuple(found)
