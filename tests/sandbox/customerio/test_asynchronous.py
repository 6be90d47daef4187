"""A 200 is acceptance: operations are applied later, overtake each other, and are seen later still."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.sandbox import Clock
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches, Workspace, track_v2
from stripe_cio_pipeline.sandbox.customerio.answers import Request


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


def test_what_an_operator_adds_is_seen_at_once(make):
    workspace = make(reads_lag_seconds=5.0)
    workspace.add_person(email="lead@example.com")
    assert workspace.visible("email", "lead@example.com") is not None


def test_activities_lag_too(make, event, machine):
    workspace = make(reads_lag_seconds=5.0)
    workspace.accept([event("paid", id="cus_1")])
    assert workspace.visible_activities()[0] == []
    machine.now += 5
    assert [line.type for line in workspace.visible_activities()[0]] == ["event", "profile_create"]


STEPS = st.tuples(
    st.sampled_from(["identify", "rename", "delete"]),
    st.sampled_from(["cus_0", "cus_1"]),
    st.sampled_from(["a@example.com", "b@example.com"]),
    st.integers(0, 12),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(steps=st.lists(STEPS, max_size=12))
def test_lagging_readers_see_the_past_as_it_was(steps, identify, act):
    now = [1_800_000_000.0]
    switches = CustomerioSwitches.gentle()
    switches.reads_lag_seconds = 10.0
    workspace = Workspace(switches, Clock(now[0]), machine_time=lambda: now[0])
    history = [(0.0, [])]
    for number, (kind, id_, email, pause) in enumerate(steps):
        workspace.accept(
            [
                {
                    "identify": lambda id_=id_, number=number: identify(id=id_, plan=str(number)),
                    "rename": lambda id_=id_, email=email: identify(id=id_, email=email),
                    "delete": lambda id_=id_: act("delete", id=id_),
                }[kind]()
            ]
        )
        history.append((now[0], workspace.people()))
        now[0] += pause
        then = [people for at, people in history if at <= now[0] - 10.0][-1]
        assert sorted(workspace.search(lambda _: True)[0], key=str) == sorted(then, key=str)
        for value in ("cus_0", "cus_1"):
            assert workspace.visible("id", value) == next((one for one in then if one.id == value), None)
        for value in ("a@example.com", "b@example.com"):
            assert workspace.visible("email", value) == next((one for one in then if one.email == value), None)


def test_callers_at_once_lose_nothing(make, serve, identify):
    workspace = make(harsh=True, requests_per_second=None)
    workspace.machine_time = time.time
    served = serve(workspace)

    def send(sender):
        for batch in range(10):
            first = sender * 1000 + batch * 20
            answer = served.batch(*[identify(id=f"cus_{first + number}") for number in range(20)])
            assert answer.status_code == 200
            workspace.people()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    workspace.settle()
    assert len({person.id for person in workspace.people()}) == 800


def best_cpu_seconds(work):
    spent = []
    for _ in range(5):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def test_accepting_a_thousand_identifies_costs_little_more_than_reading_them(make, identify):
    """Measured in readings of the same JSON (about 2 ms), so that the machine's speed does not matter."""
    workspace = make(harsh=True)
    attributes = {f"attribute_{number}": f"value {number}" for number in range(12)}
    operations = [identify(id=f"cus_{number}", plan="pro", mrr=29.5, **attributes) for number in range(1000)]
    body = orjson.dumps({"batch": operations})
    request = Request("POST", ("api", "v2", "batch"), {}, "", body)
    accepting = best_cpu_seconds(lambda: track_v2.batch(workspace, request))
    assert accepting < 15 * best_cpu_seconds(lambda: orjson.loads(body))
