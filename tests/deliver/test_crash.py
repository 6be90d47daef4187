"""SIGKILL at any moment: afterwards everybody is right, and only what was in flight was sent twice."""

import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from stripe_cio_pipeline.sandbox import Fault
from tests.deliver.conftest import MakeWorld, World, event, identify, update

pytestmark = pytest.mark.file_is_shared

CHILD = """
import sys
from stripe_cio_pipeline.deliver import Patience, deliver
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse

policy = parse_policy({"customerio": {"requests_per_second": 20, "in_flight": 3}})
patience = Patience(attempts=4, first=0.01, longest=0.02, jitter=0)
deliver(Warehouse(sys.argv[1]), Settings(), policy, run_id=sys.argv[2], patience=patience)
"""

#: Events of 6,000 bytes.
MOST_IN_A_CALL = 500_000 // 6_000


def accepted(world: World) -> int:
    return int(world.workspace.counters["operations.accepted"])


def recorded(world: World) -> int:
    ((count,),) = world.ask("select count(*) from customerio.writes where outcome = 'accepted'")
    return int(count)


def run(world: World, name: str, *, kill_after: tuple[int, float] | None) -> bool:
    """Deliver in a process of its own; kill it after so many answers and seconds. True where it was killed."""
    environment = {**os.environ, **world.sandbox.environment()}
    calls = world.workspace.counters["POST /api/v2/batch"]
    process = subprocess.Popen([sys.executable, "-c", CHILD, world.warehouse.location, name], env=environment)
    while process.poll() is None:
        if kill_after is not None and world.workspace.counters["POST /api/v2/batch"] - calls >= kill_after[0]:
            time.sleep(kill_after[1])
            process.send_signal(signal.SIGKILL)
            process.wait()
            return process.returncode == -signal.SIGKILL
        time.sleep(0.001)
    assert process.returncode == 0
    return False


def rows_of(turn: int, people: int) -> list[dict[str, Any]]:
    """A change of everybody that takes many calls, and three events each."""
    filler = {f"field_{index}": str(turn) * 900 for index in range(25)}
    changes = [update(person, {}, **filler) for person in range(people)]
    return changes + [
        event(person, f"evt_{turn}_{person}_{number}", pad="p" * 6_000)
        for number in range(3)
        for person in range(people)
    ]


def kills(world: World, number: int, people: int, seed: int) -> None:
    chance = random.Random(seed)
    world.deliver(*(identify(person) for person in range(people)))
    assert recorded(world) == accepted(world) == people
    turn = killed = attempt = repeated = most = 0
    world.plan(*rows_of(turn, people), plan_id="turn-0")
    while killed < number:
        if chance.random() < 0.5:
            # Accepted, and the answer never arrives: the kill comes between acceptance and the ledger.
            world.workspace.faults.next(Fault.reset_after(), count=chance.randint(1, 3))
        attempt += 1
        if run(world, f"run-{attempt}", kill_after=(chance.randint(0, 4), chance.uniform(0, 1.2))):
            killed += 1
        else:
            turn += 1
            world.plan(*rows_of(turn, people), plan_id=f"turn-{turn}")
        # What this run had accepted without writing it down: the next one repeats it.
        most = max(most, accepted(world) - recorded(world) - repeated)
        repeated = accepted(world) - recorded(world)
    world.workspace.faults.clear()
    run(world, "run-last", kill_after=None)
    world.workspace.settle()

    planned = people + (turn + 1) * 4 * people
    assert recorded(world) == planned
    # Whatever was written down was never sent again.
    assert world.ask(
        "select max(times) from ("
        "select count(*) as times from customerio.writes group by plan_id, person_id, event_id, action)"
    ) == [(1,)]
    assert killed >= number
    # A kill finds unrecorded: calls under way, a second's worth of answers, and calls whose answer was lost before.
    assert most <= (3 + 20 + 3) * MOST_IN_A_CALL
    assert repeated <= accepted(world) - planned <= repeated + 3 * MOST_IN_A_CALL
    assert repeated or number < 30, "no kill came between acceptance and the ledger"
    assert world.ask("select count(*) from customerio.plan") == [(0,)]
    found = {person.id: person.attributes for person in world.workspace.people()}
    assert len(found) == people
    assert {attributes["field_24"] for attributes in found.values()} == {str(turn) * 900}
    events = world.workspace.events()
    assert len(events) == len({one.id for one in events}) == (turn + 1) * 3 * people


@pytest.mark.timeout(300)
def test_a_killed_delivery_is_finished_by_the_next_run(make_world: MakeWorld) -> None:
    kills(make_world(gentle=True), 3, people=200, seed=11)


@pytest.mark.gauntlet
@pytest.mark.timeout(1800)
def test_thirty_kills_lose_nothing_and_double_nothing(make_world: MakeWorld) -> None:
    kills(make_world(gentle=True), 30, people=500, seed=12)
