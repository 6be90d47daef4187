"""What is too large to be sent unasked, and what an approval is worth."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.plan import PlanCounts, approve, current_plan, preview
from stripe_cio_pipeline.plan.guard import Scale, findings
from stripe_cio_pipeline.policy import Guard


@pytest.mark.parametrize(
    ("counts", "scale", "guard", "broken"),
    [
        (PlanCounts(identify=1), {"first_load": True}, {}, ["first_load"]),
        (PlanCounts(identify=1), {"first_load": True}, {"first_load": "send"}, []),
        (PlanCounts(update=20), {"known": 100}, {}, []),
        (PlanCounts(update=21), {"known": 100}, {}, ["max_changed_share"]),
        (PlanCounts(update=99), {"known": 99}, {}, []),
        (PlanCounts(identify=100), {"known": 100}, {}, []),
        (PlanCounts(identify=101), {"known": 100}, {}, ["assigned_ids"]),
        (PlanCounts(identify=300), {"known": 10_000}, {}, []),
        (PlanCounts(update=6, identify=5), {}, {"max_changed_people": 10}, ["max_changed_people"]),
        (PlanCounts(delete=60, suppress=20, merge=20), {"known": 10_000}, {}, []),
        (PlanCounts(delete=60, suppress=20, merge=21), {"known": 10_000}, {}, ["max_deleted_people"]),
        (PlanCounts(identify=101), {"known": 10_000, "reassigned": 101}, {}, ["max_reassigned_ids"]),
        (PlanCounts(event=10_000), {}, {}, []),
        (PlanCounts(event=10_001), {}, {}, ["max_events"]),
    ],
)
def test_a_plan_breaks_a_rule_only_above_its_limit(counts, scale, guard, broken) -> None:
    of = Scale(**{"known": 0, "first_load": False, "reassigned": 0, **scale})
    assert [finding.rule for finding in findings(counts, of, Guard(**guard))] == broken


def test_the_first_load_stops_until_it_is_approved(desk) -> None:
    desk.set_policy(guard={"first_load": "approve"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    assert desk.last.guard.stopped
    assert desk.last.guard.findings[0].examples == ("cus_a",)
    approve(desk.warehouse, desk.last.plan_id)
    with desk.warehouse.reading() as connection:
        standing = current_plan(connection)
    assert standing.guard.approved
    assert not standing.guard.stopped
    desk.plan()
    assert desk.last.guard.approved


def test_an_approval_does_not_count_for_a_plan_that_holds_more(desk) -> None:
    desk.set_policy(guard={"first_load": "approve"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    desk.customer("cus_b", email="customer-2@example.com")
    desk.plan()
    assert desk.last.guard.stopped


def test_an_approval_counts_for_what_is_left_of_an_interrupted_delivery(desk) -> None:
    desk.set_policy(guard={"max_changed_people": 1, "first_load": "approve"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    desk.customer("cus_b", email="customer-2@example.com", deleted=True)
    desk.plan()
    assert desk.last.counts.identify == 1
    assert desk.last.guard.approved


def test_only_the_plan_that_stands_can_be_approved(desk) -> None:
    with pytest.raises(PipelineError, match="no plan is waiting"):
        approve(desk.warehouse, "0" * 32)
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    with pytest.raises(PipelineError, match=desk.last.plan_id):
        approve(desk.warehouse, "0" * 32)


def test_a_preview_is_the_plan_that_would_be_made_and_writes_nothing(desk_on_disk) -> None:
    desk = desk_on_disk
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.model()
    file = Path(desk.warehouse.location)
    before = file.read_bytes()
    seen = preview(desk.warehouse, desk.policy, limit=1, now=lambda: desk.at)
    assert file.read_bytes() == before
    assert len(seen.rows) == 1
    assert seen.rows[0].after["email"].endswith("@example.com")
    desk.plan()
    assert desk.last.plan_id == seen.plan.plan_id
    assert desk.last.counts == seen.plan.counts
