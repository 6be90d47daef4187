"""The same acts for what webhooks bring: events are taken in, and then people are computed, planned and sent.

It is the road of a sync with another beginning. Guard, approval, identity and once-only are the plan's and the
delivery's, and hold as they do there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stripe_cio_pipeline.errors import WarehouseBusy
from stripe_cio_pipeline.extract import Arrived, TakenIn, take_in
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync.acts import Opened, compute_model, deliver_plan, noting_failure, plan_changes
from stripe_cio_pipeline.sync.runs import begin_run
from stripe_cio_pipeline.sync.soundness import require_soundness
from stripe_cio_pipeline.warehouse import Statements, Turn, Warehouse

_SQL = Statements("stripe_cio_pipeline.sync.sql")

#: How long a turn that somebody else has is waited for before more events are taken in (seconds).
_TURN_SECONDS = 1.0
#: A link that has not settled after so much longer than it should is left to the next sync (seconds).
_SETTLING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Sent:
    """What a round sent. `stopped`: by the guard. `in_between` are people whose link is not seen yet.

    `people` is how many items of people Customer.io accepted, `events` how many events.
    """

    stopped: bool
    in_between: int
    people: int = 0
    events: int = 0


def open_for_arrivals(settings: Settings, policy: Policy, warehouse: Warehouse) -> Opened:
    """Give the acts what they hand to the rooms, for events that arrive by themselves."""
    turn = Turn(Warehouse(warehouse.location, lock_wait_seconds=_TURN_SECONDS), "stripe-cio listen")
    return Opened(settings, policy, warehouse, turn, kind="listen", early=True)


def take_arrivals(opened: Opened, run_id: str, arrived: Sequence[Arrived], *, is_simulated: bool | None) -> TakenIn:
    """Store events and bring up to date what they speak of. Raises where an object type could not be.

    It needs nobody's turn. What could be stored is kept, also where it raises: given again, it changes nothing.
    """
    return take_in(
        opened.warehouse, opened.settings, opened.policy, run_id=run_id, arrived=arrived, is_simulated=is_simulated
    )


def send_arrivals(opened: Opened, run_id: str) -> Sent | None:
    """Compute, plan and deliver what changed. None where somebody else has the turn: nothing was done."""
    try:
        opened.turn.take()
    except WarehouseBusy:
        return None
    try:
        begin_run(opened.warehouse, run_id, opened.kind)
        with noting_failure(opened, run_id, opened.kind):
            compute_model(opened, run_id)
            with opened.warehouse.reading() as connection:
                require_soundness(connection)
            plan = plan_changes(opened, run_id)
            report = None if plan.guard.stopped else deliver_plan(opened, run_id)
    finally:
        opened.turn.give_back()
    with opened.warehouse.reading() as connection:
        within = {"seconds": opened.policy.identity.settle_seconds + _SETTLING_SECONDS}
        [(in_between,)] = connection.execute(_SQL["people_in_between"], within).fetchall()
    if report is None:
        return Sent(stopped=True, in_between=int(in_between))
    events = report.events_accepted
    return Sent(stopped=False, in_between=int(in_between), people=report.accepted - events, events=events)
