"""Hours between accepting and applying: for some people, for everybody, and by which clock."""

import time

import pytest

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox


def names(workspace):
    return {person.id for person in workspace.people()}


def many(identify, count, **attributes):
    return [identify(id=f"cus_{n}", email=f"customer-{n}@example.com", **attributes) for n in range(count)]


def test_whoever_is_named_waits_for_hours_and_everybody_else_does_not(make, identify, clock):
    workspace = make(lags={"cus_1": 7200.0})
    workspace.accept(many(identify, 3))
    assert names(workspace) == {"cus_0", "cus_2"}
    clock.advance(hours=1, minutes=59)
    assert names(workspace) == {"cus_0", "cus_2"}
    clock.advance(minutes=1)
    assert names(workspace) == {"cus_0", "cus_1", "cus_2"}


def test_who_lags_lags_under_each_of_their_identifiers(make, identify, event, act, clock):
    workspace = make(lags={"lead@example.com": 3600.0})
    lead = workspace.add_person(id="cus_1", email="lead@example.com")
    workspace.accept([identify(id="cus_1", plan="pro")])
    workspace.accept([event("paid", cio_id=lead.cio_id), act("delete", id="cus_1")])
    assert (workspace.pending, workspace.events()) == (3, [])
    clock.advance(hours=1)
    assert (workspace.people(), len(workspace.events())) == ([], 1)


def test_a_share_of_the_people_lags_each_for_a_time_of_their_own(make, identify, clock):
    workspace = make(lagging_share=0.2, lagging_seconds=(1800.0, 5400.0))
    workspace.accept(many(identify, 500))
    late = 500 - len(workspace.people())
    assert 70 < late < 130
    clock.advance(minutes=29)
    assert len(workspace.people()) == 500 - late
    clock.advance(minutes=31)
    assert 500 - late + 20 < len(workspace.people()) < 480
    clock.advance(minutes=30)
    assert len(workspace.people()) == 500


def test_the_same_people_lag_with_everything_that_is_sent_about_them(make, identify, event, clock):
    workspace = make(lagging_share=0.2)
    workspace.accept([identify(email=f"customer-{number}@example.com", n=number) for number in range(100)])
    late = {f"cus_{number}" for number in range(100)} - {f"cus_{one.attributes['n']}" for one in workspace.people()}
    clock.advance(hours=3)
    workspace.accept([identify(email=f"customer-{n}@example.com", set_id=f"cus_{n}") for n in range(100)])
    assert {f"cus_{number}" for number in range(100)} - names(workspace) == late
    clock.advance(hours=3)
    workspace.accept([event("paid", id=f"cus_{number}") for number in range(100)])
    assert {f"cus_{number}" for number in range(100)} - {one.person_id for one in workspace.events()} == late != set()


def test_an_operation_of_a_laggard_bears_the_time_at_which_it_was_applied(make, identify, machine):
    workspace = make(lags={"cus_1": 7200.0})
    workspace.accept([identify(id="cus_1")])
    machine.now += 10_000
    assert workspace.activities()[0].at == machine.now - 10_000 + 7200


def test_a_moved_clock_makes_no_activity_older_than_its_call_nor_younger_than_now(make, identify, machine, clock):
    workspace = make(lags={"cus_1": 7200.0, "cus_2": 3600.0})
    began = machine.now
    machine.now += 5
    workspace.accept(many(identify, 3))
    machine.now += 5
    clock.advance(hours=5)
    moments = [line.at for line in workspace.activities()]
    assert len(moments) == 3
    assert moments == sorted(moments)
    assert began + 5 <= moments[0]
    assert moments[-1] <= machine.now


def test_the_log_is_in_the_order_of_time_though_a_call_was_overtaken_long_ago(make, identify, machine, clock):
    workspace = make(lags={"cus_1": 7200.0})
    workspace.accept([identify(id="cus_1")])
    machine.now += 5
    workspace.accept([identify(id="cus_2")])
    clock.advance(hours=2)
    assert [(line.person_id, line.at) for line in workspace.activities()] == [
        ("cus_2", machine.now),
        ("cus_1", machine.now),
    ]


def test_in_an_incident_nothing_is_applied_for_an_hour_and_then_all_in_any_order(make, identify, clock):
    workspace = make(apply_delay_seconds=60.0, shuffle=True)
    operations = many(identify, 50)
    workspace.accept(operations[:25])
    workspace.incident(hours=1)
    workspace.accept(operations[25:])
    clock.advance(minutes=59)
    assert (workspace.people(), workspace.pending) == ([], 50)
    clock.advance(minutes=1)
    made = [person.id for person in workspace.people()]
    assert sorted(made) == sorted(operation["identifiers"]["id"] for operation in operations)
    assert {"cus_0", "cus_49"} < set(made)
    assert [name for name in made if int(name[4:]) >= 25] != made[25:]


def test_an_incident_holds_back_what_would_be_applied_at_once(make, identify, clock):
    workspace = make()
    workspace.incident(hours=2)
    workspace.accept([identify(id="cus_1")])
    assert workspace.people() == []
    clock.advance(hours=2)
    assert names(workspace) == {"cus_1"}
    workspace.accept([identify(id="cus_2")])
    assert names(workspace) == {"cus_1", "cus_2"}


def test_settling_ends_an_incident(make, identify):
    workspace = make()
    workspace.incident(hours=2)
    workspace.accept([identify(id="cus_1")])
    workspace.settle()
    workspace.accept([identify(id="cus_2")])
    assert names(workspace) == {"cus_1", "cus_2"}


def test_an_incident_lasts_through_saving_and_loading(make, identify, clock):
    workspace, loaded = make(), make()
    workspace.incident(hours=2)
    workspace.accept([identify(id="cus_1")])
    clock.advance(hours=1)
    loaded.load_state(workspace.save_state())
    loaded.accept([identify(id="cus_2")])
    clock.advance(minutes=59)
    assert loaded.people() == []
    clock.advance(minutes=1)
    assert names(loaded) == {"cus_1", "cus_2"}


def values(workspace, person):
    return [line.data["n"]["to"] for line in workspace.activities("attribute_change") if line.person_id == person]


@pytest.mark.parametrize("incident", [False, True])
def test_within_a_call_one_person_keeps_an_order_where_the_switch_says_so(make, identify, clock, incident):
    mixed = set()
    for within in (False, True):
        workspace = make(apply_delay_seconds=(1.0, 60.0), shuffle=True, shuffle_within_call=within)
        workspace.add_person(id="cus_0")
        workspace.add_person(id="cus_1")
        workspace.accept([identify(id=f"cus_{n % 2}", n=n) for n in range(40)])
        if incident:
            workspace.incident()
        clock.advance(hours=1)
        told = {name: values(workspace, name) for name in ("cus_0", "cus_1")}
        mixed.add((within, all(seen == sorted(seen) for seen in told.values())))
        assert {name: len(seen) for name, seen in told.items()} == {"cus_0": 20, "cus_1": 20}
    assert mixed == {(False, True), (True, False)}


def test_across_calls_one_person_keeps_no_order(make, identify, clock):
    workspace = make(apply_delay_seconds=(1.0, 60.0), shuffle=True, shuffle_within_call=False)
    workspace.add_person(id="cus_1")
    for number in range(20):
        workspace.accept([identify(id="cus_1", n=number)])
    clock.advance(hours=1)
    assert values(workspace, "cus_1") != sorted(values(workspace, "cus_1"))


def test_with_one_clock_hours_pass_without_the_machine(identify):
    switches = CustomerioSwitches(lags={"cus_1": 7200.0}, app_requests_per_second=None)
    with Sandbox(customers=0, leads=0, start=1_790_000_000, customerio=switches, one_clock=True) as sandbox:
        workspace = sandbox.customerio
        workspace.accept([identify(id="cus_1"), identify(id="cus_2")])
        sandbox.clock.advance(hours=1)
        assert names(workspace) == {"cus_2"}
        sandbox.clock.advance(hours=1, seconds=1)
        assert names(workspace) == {"cus_1", "cus_2"}
        assert 1_790_000_000 < workspace.activities()[0].at < 1_790_000_001
        assert abs(workspace.request_time() - time.time()) < 3600
