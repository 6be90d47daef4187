"""Reading the plan that stands, and approving it by its hash."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.plan.values import GuardFinding, GuardVerdict, Plan, PlanCounts
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse

_SQL = Statements("stripe_cio_pipeline.plan.sql")


def current_plan(connection: Connection) -> Plan | None:
    """Give the plan that is next to be delivered, none where everything planned was delivered."""
    row = connection.execute(_SQL["current_plan"]).fetchone()
    if row is None:
        return None
    plan_id, summary, verdict, planned_at, approved = row
    counted = json.loads(summary)
    guard = json.loads(verdict) if verdict else {}
    found = tuple(
        GuardFinding(**{**finding, "examples": tuple(finding["examples"])}) for finding in guard.get("findings", ())
    )
    return Plan(
        plan_id=plan_id,
        counts=PlanCounts(**{name: counted.get(name, 0) for name in PlanCounts.__dataclass_fields__}),
        by_reason=counted.get("by_reason", {}),
        by_attribute=counted.get("by_attribute", {}),
        guard=GuardVerdict(stopped=bool(found) and not approved, findings=found, approved=bool(found) and approved),
        planned_at=planned_at,
        full=counted.get("full", False),
    )


def approve(warehouse: Warehouse, plan_id: str, *, now: Callable[[], float] = time.time) -> None:
    """Let the plan with this hash pass the guard. Raises PipelineError where another plan stands, or none."""
    with warehouse.transaction() as connection:
        plan = current_plan(connection)
        if plan is None or plan.plan_id != plan_id:
            standing = f"the plan that stands is {plan.plan_id}" if plan else "no plan is waiting"
            raise PipelineError(
                f"Plan {plan_id} cannot be approved: {standing}.",
                "Look at it with stripe-cio plan, and approve that one if it is right.",
            )
        moment = datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)
        connection.execute(_SQL["approve_plan"], {"plan_id": plan_id, "now": moment})
