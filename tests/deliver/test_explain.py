"""One person's history, from the Stripe events to what became of every write."""

import pytest

from stripe_cio_pipeline.deliver import Explanation, explain, forget
from stripe_cio_pipeline.errors import PipelineError
from tests.deliver.conftest import QUICK, MakeWorld, World, event, identify, update


def told(world: World, name: str) -> Explanation:
    with world.warehouse.reading() as connection:
        return explain(connection, name)


@pytest.fixture
def lived(make_world: MakeWorld) -> World:
    """Somebody who was linked, changed, mailed and refused."""
    world = make_world(gentle=True)
    with world.warehouse.transaction() as connection:
        connection.execute(
            "create table model.members (customer_id varchar, person_id varchar, role varchar, email varchar,"
            " email_key varchar, reason varchar)"
        )
        connection.execute(
            "create table model.events (event_id varchar, customer_id varchar, guest_email varchar, data varchar)"
        )
        connection.execute(
            "insert into model.members values"
            " ('cus_000001', 'cus_000001', 'owner', 'customer-1@example.com', 'customer-1@example.com', ''),"
            " ('cus_member', 'cus_000001', 'member', 'customer-1@example.com', 'customer-1@example.com', '')"
        )
        connection.execute(
            "insert into stripe.events (id, type, customer_id, created, deleted, as_of, source, seq) values"
            " ('evt_1', 'customer.subscription.updated', 'cus_000001', 1800000000, false, 0, 'event', 1),"
            " ('evt_2', 'invoice.paid', 'cus_member', 1800000100, false, 0, 'event', 1)"
        )
    world.deliver(identify(1, plan="pro"), identify(2))
    world.deliver({**update(1, {"plan": "pro"}, plan="team"), "source_event_id": "evt_1"}, event(1, "evt_2", amount=5))
    world.deliver(update(1, {"plan": "team"}, plan="x" * 1001))
    return world


def test_a_person_is_found_by_any_name(lived: World) -> None:
    names = ["cus_000001", "cus_member", "Customer-1@example.com", "evt_1", "evt_2", " cus_000001 "]
    assert {name: told(lived, name).person_id for name in names} == dict.fromkeys(names, "cus_000001")


def test_every_write_shows_before_after_cause_run_and_outcome(lived: World) -> None:
    found = told(lived, "cus_000001")

    assert found.customers == ("cus_000001", "cus_member")
    assert [(one.event_id, one.type) for one in found.stripe_events] == [
        ("evt_1", "customer.subscription.updated"),
        ("evt_2", "invoice.paid"),
    ]
    assert [(one.action, one.outcome, one.run_id, one.status) for one in found.writes] == [
        ("identify", "accepted", "run-1", 200),
        ("update", "accepted", "run-2", 200),
        ("event", "accepted", "run-2", 200),
        ("update", "rejected", "run-3", 207),
    ]
    change = found.writes[1]
    assert (change.before, change.after, change.source_event_id) == ({"plan": "pro"}, {"plan": "team"}, "evt_1")
    assert [(one.event_id, one.state) for one in found.events] == [("evt_2", "accepted")]
    assert [(one.reason, one.field, one.attempts) for one in found.rejections] == [("invalid", "attributes.plan", 1)]
    assert found.attributes["plan"] == "team"


def test_somebody_unknown_is_an_error_that_does_not_repeat_the_name(lived: World) -> None:
    with pytest.raises(PipelineError) as raised:
        told(lived, "nobody@example.com")
    assert "nobody@example.com" not in str(raised.value)


def test_who_is_forgotten_is_suppressed_and_only_the_proof_stays(lived: World) -> None:
    report = forget(lived.warehouse, lived.settings, lived.policy, "cus_000001", run_id="forget", patience=QUICK)

    assert (report.suppressed, report.writes) == (True, 4)
    assert lived.workspace.is_suppressed(id="cus_000001")
    assert [person.id for person in lived.workspace.people()] == ["cus_000002"]
    ledger = lived.ledger(1)
    assert (ledger["state"], ledger["id"], ledger["email"], ledger["attributes"]) == (
        "suppressed",
        "cus_000001",
        None,
        {},
    )
    found = told(lived, "cus_000001")
    assert found.writes[-1].reason == "forgotten"
    assert all(not one.after for one in found.writes)


def test_d10_a_change_of_the_models_is_not_put_down_to_the_last_event(lived: World) -> None:
    changed = {**update(1, {"plan": "team"}, plan="TEAM"), "source_event_id": "evt_1"}
    lived.deliver(changed)
    causes = [write.cause for write in told(lived, "cus_000001").writes]
    assert causes == [None, "event", "event", None, "models"]


def test_d10_the_turn_of_the_day_is_told_from_a_change_of_the_models(lived: World) -> None:
    made = [("a", "2026-01-01"), ("a", "2026-01-02"), ("b", "2026-01-02"), ("b", "2026-01-02")]
    for number, (models, day) in enumerate(made):
        lived.plan({**update(1, {}, days=number), "source_event_id": "evt_1"})
        with lived.warehouse.transaction() as connection:
            connection.execute(
                "update customerio.plans set counts = {'models': ?, 'day': ?}::json where delivered_at is null",
                [models, day],
            )
        lived.deliver()
    assert [write.cause for write in told(lived, "cus_000001").writes][-3:] == ["day", "models", None]


def test_d10_what_follows_an_identifier_that_travelled_alone_is_of_the_same_event(lived: World) -> None:
    alone = {**update(1, {"email": "customer-1@example.com"}, email="new-1@example.com"), "source_event_id": "evt_9"}
    rest = {**update(1, {"plan": "team"}, plan="solo"), "source_event_id": "evt_9"}
    lived.deliver(alone)
    lived.deliver(rest)
    assert [write.cause for write in told(lived, "cus_000001").writes][-2:] == ["event", "event"]


def test_d10_drift_and_retry_are_told_as_such(lived: World) -> None:
    lived.deliver({**update(1, {"plan": "team"}, plan="x" * 1001), "source_event_id": "evt_1"})
    with lived.warehouse.transaction() as connection:
        connection.execute(
            "insert into customerio.verifications (run_id, verified_at, person_id, finding, field) "
            "values ('verify', now() at time zone 'UTC', 'cus_000001', 'drift', 'plan')"
        )
    lived.deliver({**update(1, {}, plan="team"), "source_event_id": "evt_1"})
    assert [write.cause for write in told(lived, "cus_000001").writes][-2:] == ["retry", "drift"]
