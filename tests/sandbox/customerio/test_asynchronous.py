"""A 200 is acceptance: operations are applied later, overtake each other, and are seen later still."""

import random
import time

import httpx


def numbered(identify, count):
    return [identify(id=f"cus_{number}", number=number) for number in range(count)]


def order_of(workspace):
    return [person.attributes["number"] for person in workspace.people()]


def test_nothing_is_applied_before_its_delay(make, identify, machine):
    workspace = make(apply_delay_seconds=5.0)
    workspace.accept([identify(id="cus_1")])
    assert (workspace.people(), workspace.pending) == ([], 1)
    machine.now += 4.9
    assert workspace.people() == []
    machine.now += 0.1
    assert (len(workspace.people()), workspace.pending) == (1, 0)


def test_each_operation_draws_its_own_delay(make, identify, machine):
    workspace = make(apply_delay_seconds=(1.0, 3.0), shuffle=True)
    workspace.accept(numbered(identify, 50))
    machine.now += 1.0
    early = len(workspace.people())
    machine.now += 1.0
    midway = len(workspace.people())
    machine.now += 1.0
    assert early < midway < len(workspace.people()) == 50


def test_shuffled_operations_overtake_each_other_also_within_a_batch(make, identify, machine):
    workspace = make(apply_delay_seconds=(0.05, 0.2), shuffle=True)
    workspace.accept(numbered(identify, 50))
    machine.now += 1
    assert order_of(workspace) != list(range(50))
    assert sorted(order_of(workspace)) == list(range(50))


def test_the_order_is_the_same_for_the_same_seed(make, identify, machine):
    orders = []
    for _ in range(2):
        workspace = make(seed=3, apply_delay_seconds=(0.05, 0.2), shuffle=True)
        workspace.accept(numbered(identify, 20))
        machine.now += 1
        orders.append(order_of(workspace))
    assert orders[0] == orders[1]


def test_without_shuffle_operations_keep_their_order_whatever_their_delays(make, identify, machine):
    workspace = make(apply_delay_seconds=(0.05, 0.2), shuffle=False)
    for operation in numbered(identify, 50):
        workspace.accept([operation])
    machine.now += 100
    assert order_of(workspace) == list(range(50))


def test_shuffle_without_delay_mixes_a_batch(make, identify):
    workspace = make(apply_delay_seconds=0.0, shuffle=True)
    workspace.accept(numbered(identify, 50))
    assert order_of(workspace) != list(range(50))


def test_two_operations_that_depend_on_each_other_go_wrong_in_some_order(make, identify, machine):
    """Identify by the new id overtakes the link: the reason why nothing is sent before a link has settled."""
    outcomes = set()
    for seed in range(10):
        workspace = make(seed=seed, apply_delay_seconds=(0.05, 0.2), shuffle=True, auto_merge=False)
        workspace.add_person(email="lead@example.com")
        workspace.accept([identify(email="lead@example.com", set_id="cus_1"), identify(id="cus_1", plan="pro")])
        machine.now += 1
        outcomes.add(len(workspace.people()))
    assert outcomes == {1, 2}


def test_settle_applies_everything_at_once_and_shows_it(make, identify):
    workspace = make(apply_delay_seconds=3600.0, reads_lag_seconds=3600.0)
    workspace.accept([identify(id="cus_1")])
    workspace.settle()
    assert workspace.pending == 0
    assert workspace.visible("id", "cus_1") is not None
    assert [line.type for line in workspace.visible_activities()[0]] == ["profile_create"]


def test_the_harsh_default_delays_and_shuffles(make):
    switches = make(harsh=True).switches
    assert switches.delay_bounds() == (0.05, 0.2)
    assert switches.shuffle is True
    assert switches.reads_lag_seconds > 0


def test_what_is_due_is_applied_though_nobody_looks(make, serve, identify):
    workspace = make()
    served = serve(workspace)
    workspace.switches.apply_delay_seconds = (0.0, 0.01)
    workspace.machine_time = time.time
    served.batch(*numbered(identify, 120))
    for _ in range(500):
        if workspace.counters["applied.identify"] == 120:
            break
        httpx.get(served.url + "/api/v1/accounts/region")
    assert workspace.counters["applied.identify"] == 120


def test_reads_lag_behind_what_was_applied(make, identify, act, machine):
    workspace = make(reads_lag_seconds=5.0)
    workspace.accept([identify(id="cus_1", email="old@example.com", plan="pro")])
    assert workspace.person(id="cus_1") is not None
    assert workspace.visible("id", "cus_1") is None
    machine.now += 5
    assert workspace.visible("id", "cus_1").attributes["plan"] == "pro"

    workspace.accept([identify(id="cus_1", email="new@example.com", plan="free")])
    machine.now += 4.9
    assert workspace.visible("email", "new@example.com") is None
    assert workspace.visible("email", "old@example.com").attributes["plan"] == "pro"
    machine.now += 0.1
    assert workspace.visible("email", "old@example.com") is None
    assert workspace.visible("email", "new@example.com").attributes["plan"] == "free"

    workspace.accept([act("delete", id="cus_1")])
    machine.now += 4.9
    assert workspace.visible("id", "cus_1") is not None
    machine.now += 0.1
    assert workspace.visible("id", "cus_1") is None


def test_activities_lag_too(make, event, machine):
    workspace = make(reads_lag_seconds=5.0)
    workspace.accept([event("paid", id="cus_1")])
    assert workspace.visible_activities()[0] == []
    machine.now += 5
    assert [line.type for line in workspace.visible_activities()[0]] == ["event", "profile_create"]


def test_lagging_reads_are_always_the_past_as_it_was(make, identify, act, machine):
    """Random changes: whatever readers see is what the workspace was, one lag ago."""
    chance = random.Random(11)
    workspace = make(reads_lag_seconds=10.0)
    ids, emails = ["cus_0", "cus_1", "cus_2"], ["a@example.com", "b@example.com"]
    history = [(0.0, [])]
    for step in range(150):
        history.append((machine.now, workspace.people()))
        then = [people for at, people in history if at <= machine.now - 10.0][-1]
        seen = [workspace.visible("id", value) for value in ids]
        assert seen == [next((p for p in then if p.id == value), None) for value in ids], step
        seen = [workspace.visible("email", value) for value in emails]
        assert seen == [next((p for p in then if p.email == value), None) for value in emails], step
        machine.now += chance.choice([1.0, 2.0, 5.0])
        workspace.accept(
            [
                chance.choice(
                    [
                        identify(id=chance.choice(ids), email=chance.choice(emails), plan=step),
                        identify(id=chance.choice(ids), plan=step),
                        act("delete", id=chance.choice(ids)),
                    ]
                )
            ]
        )
        history.append((machine.now, workspace.people()))
