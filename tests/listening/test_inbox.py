"""The inbox: what it has taken outlasts everything, is there once, and leaves no byte when it goes."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.errors import WarehouseError
from stripe_cio_pipeline.listening.envelope import Envelope, open_envelope
from stripe_cio_pipeline.listening.inbox import _SQL, REMEMBERED_SECONDS, Inbox, Traffic
from tests.listening.doors import OURS, body_of, event

SENT_AT = 1_790_000_000


def envelope(number: int, **fields: object) -> Envelope:
    return open_envelope(body_of(event(number, **fields)), SENT_AT, OURS)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "home" / "inbox.sqlite")


def everything(inbox: Inbox) -> bytes:
    return b"".join(path.read_bytes() for path in inbox.path.parent.iterdir())


def test_it_is_kept_once_in_the_order_of_arrival_until_it_is_taken(inbox: Inbox) -> None:
    assert inbox.store([envelope(2), envelope(1), envelope(2)]) == ["stored", "stored", "repeated"]
    inbox.close()
    assert [each.id for each in inbox.waiting(10)] == ["evt_2", "evt_1"]
    assert [each.id for each in inbox.waiting(1)] == ["evt_2"]
    inbox.taken(["evt_2"])
    inbox.taken([])
    assert [each.id for each in inbox.waiting(10)] == ["evt_1"]
    assert inbox.store([envelope(2)]) == ["repeated"]
    found = inbox.look()
    assert (found.waiting, found.remembered) == (1, 2)
    assert found.bytes_waiting == len(body_of(event(1)))


def test_it_knows_what_came_and_what_was_sent_in_a_span_of_time(tmp_path: Path) -> None:
    moments = iter([SENT_AT + 1.0, SENT_AT + 2.0, SENT_AT + 61.0, SENT_AT + 62.0])
    inbox = Inbox(tmp_path / "inbox.sqlite", now=lambda: next(moments))
    inbox.store([envelope(1)])
    inbox.store([envelope(2)])
    inbox.sent_on(["evt_1"], people=3, events=0)
    inbox.sent_on(["evt_1", "evt_2"], people=1, events=2)
    assert inbox.traffic(SENT_AT, SENT_AT + 2) == Traffic(1, 0, 0, 0, ())
    minute = (SENT_AT + 61) // 60 * 60
    assert inbox.traffic(minute, minute + 60) == Traffic(0, 0, 4, 2, (60.0, 60.0)), "an event was sent on once"
    assert Traffic(0, 0, 0, 0, (1.0, 2.0, 3.0)).lag(0.5) == 2.0
    assert Traffic(0, 0, 0, 0, ()).lag(0.5) is None


def test_a_file_of_the_first_release_goes_on_as_one_of_this(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(sqlite3.connect(path)) as former:
        former.executescript(_SQL["create"])
        row = {**asdict(envelope(1)), "state": "waiting", "received_at": SENT_AT}
        former.execute(_SQL["insert"], row)
        former.commit()
    with ThreadPoolExecutor(4) as processes:
        found = list(processes.map(lambda _: Inbox(path).waiting(10), range(8)))
    assert [[each.id for each in waiting] for waiting in found] == [["evt_1"]] * 8
    inbox = Inbox(path)
    inbox.sent_on(["evt_1"], people=1, events=0)
    assert inbox.look().waiting == 1


def test_only_its_owner_reads_it(inbox: Inbox) -> None:
    before = os.umask(0)
    try:
        inbox.store([envelope(1)])
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in inbox.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert inbox.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_taken_leaves_no_byte(inbox: Inbox) -> None:
    inbox.store([envelope(number) for number in range(50)])
    assert b"customer-7@example.com" in everything(inbox)
    inbox.taken(f"evt_{number}" for number in range(50))
    assert b"@example.com" not in everything(inbox)
    assert b"evt_7" in everything(inbox), "the id is remembered"


def test_somebody_is_taken_out_of_what_waits_and_others_stay(inbox: Inbox) -> None:
    card = {"object": {"id": "ch_1", "billing_details": {"email": "Customer-3@Example.com"}, "customer": None}}
    inbox.store([envelope(1), envelope(2), envelope(3), envelope(4, data=card)])
    assert inbox.erase(["cus_1", "customer-3@example.com"]) == 3
    assert [each.id for each in inbox.waiting(10)] == ["evt_2"]
    left = everything(inbox).lower()
    assert b"customer-1@" not in left
    assert b"customer-3@" not in left
    assert inbox.store([envelope(1)]) == ["repeated"], "a resend does not bring them back"


def test_nothing_is_made_where_there_was_none(inbox: Inbox) -> None:
    assert inbox.erase(["cus_1"]) == 0
    assert inbox.tidy() == 0
    assert not inbox.path.exists()


def test_ids_are_remembered_for_longer_than_anybody_can_send_again(tmp_path: Path) -> None:
    now = [1_000_000.0]
    inbox = Inbox(tmp_path / "inbox.sqlite", now=lambda: now[0])
    inbox.store([envelope(1), envelope(2), envelope(3, livemode=True)])
    inbox.taken(["evt_1"])
    now[0] += REMEMBERED_SECONDS - 1
    assert inbox.tidy() == 0
    assert inbox.store([envelope(1)]) == ["repeated"]
    now[0] += 2
    inbox.sent_on([], people=5, events=0)
    assert inbox.tidy() == 2
    assert inbox.traffic(0, 2e10).people == 5
    now[0] += REMEMBERED_SECONDS + 60
    inbox.tidy()
    assert inbox.traffic(0, 2e10).people == 0
    now[0] -= REMEMBERED_SECONDS + 60
    assert [each.id for each in inbox.waiting(9)] == ["evt_2"], "what waits is never too old"
    assert inbox.store([envelope(1)]) == ["stored"]


@pytest.mark.parametrize("limit", [{"most_events": 2}, {"most_bytes": 2 * len(body_of(event(1))) + 10}])
def test_over_its_limit_it_takes_nothing_more(tmp_path: Path, limit: dict[str, int]) -> None:
    inbox = Inbox(tmp_path / "inbox.sqlite", **limit)  # type: ignore[arg-type]
    assert inbox.store([envelope(number) for number in range(1, 4)]) == ["stored", "stored", "full"]
    other = Inbox(inbox.path, **limit)  # type: ignore[arg-type]
    assert other.store([envelope(4)]) == ["full"], "it counts what is there, not what it has put there"


def test_a_commit_that_fails_leaves_nothing_behind(inbox: Inbox) -> None:
    inbox.knock()
    assert inbox._connection is not None
    (pages,) = inbox._connection.execute("pragma page_count").fetchone()
    inbox._connection.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(WarehouseError, match="SQLITE_FULL"):
        inbox.store([envelope(number) for number in range(500)])
    assert inbox.waiting(10) == []
    assert inbox.store([envelope(1)]) == ["stored"]


def test_a_damaged_file_is_told_as_one(inbox: Inbox) -> None:
    inbox.path.parent.mkdir()
    inbox.path.write_bytes(b"no database" * 1_000)
    with pytest.raises(WarehouseError, match="damaged"):
        inbox.store([envelope(1)])


def test_a_file_of_a_newer_release_is_left_alone(inbox: Inbox) -> None:
    inbox.knock()
    inbox.close()
    with sqlite3.connect(inbox.path) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(WarehouseError, match="newer release"):
        inbox.store([envelope(1)])


def test_it_is_written_through_to_the_disk(inbox: Inbox) -> None:
    inbox.knock()
    assert inbox._connection is not None
    assert inbox._connection.execute("pragma synchronous").fetchone() == (2,), "FULL"
    assert inbox._connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert inbox._connection.execute("pragma secure_delete").fetchone() == (1,)


def test_threads_and_processes_share_it(inbox: Inbox) -> None:
    other = Inbox(inbox.path)
    outcomes: list[str] = []

    def store(mine: Inbox) -> None:
        for number in range(100):
            outcomes.extend(mine.store([envelope(number)]))

    threads = [threading.Thread(target=store, args=(each,)) for each in (inbox, inbox, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("stored") == 100
    assert outcomes.count("repeated") == 200


KILLED = """
import sys
from pathlib import Path
from stripe_cio_pipeline.listening.inbox import Inbox
from tests.listening.test_inbox import envelope
inbox = Inbox(Path(sys.argv[1]))
number = 0
while True:
    inbox.store([envelope(number), envelope(number + 1)])
    print(number + 1, flush=True)
    number += 2
"""


@pytest.mark.parametrize("after", [1, 40])
def test_what_it_has_said_is_stored_is_there_after_a_kill(inbox: Inbox, after: int) -> None:
    command = [sys.executable, "-c", KILLED, str(inbox.path)]
    said = -1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = int(line)
            if said >= after:
                break
        process.send_signal(signal.SIGKILL)
        said = int((process.stdout.read().split() or [said])[-1])
    there = {int(each.id.removeprefix("evt_")) for each in inbox.waiting(1_000_000)}
    assert set(range(said + 1)) <= there
    assert len(there) % 2 == 0, "a commit is whole or not there"


@settings(max_examples=30, deadline=None)
@given(acts=st.lists(st.tuples(st.sampled_from(["store", "taken", "erase"]), st.integers(0, 5)), max_size=30))
def test_whatever_the_order_an_event_waits_once_at_most_and_never_comes_back(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    inbox = Inbox(tmp_path_factory.mktemp("inbox") / "inbox.sqlite")
    waiting: list[str] = []
    seen: set[str] = set()
    for act, number in acts:
        id_ = f"evt_{number}"
        match act:
            case "store":
                expected = "repeated" if id_ in seen else "stored"
                assert inbox.store([envelope(number)]) == [expected]
                waiting += [id_] if expected == "stored" else []
                seen.add(id_)
            case "taken":
                inbox.taken([id_])
                waiting = [each for each in waiting if each != id_]
            case "erase":
                assert inbox.erase([f"customer-{number}@example.com"]) == waiting.count(id_)
                waiting = [each for each in waiting if each != id_]
        assert [each.id for each in inbox.waiting(100)] == waiting
    inbox.close()
