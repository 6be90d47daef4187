"""What waits in the inbox, as the alerts hear of it: figures and nothing else, and never an error."""

import dataclasses
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from stripe_cio_pipeline.listening import FILE_NAME, backlog
from stripe_cio_pipeline.listening.backlog import read_backlog
from stripe_cio_pipeline.listening.envelope import Owner, open_envelope
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.sync import Backlog
from tests.listening.doors import event

OWNER = Owner("acct_ours", livemode=False, connected=False)


def fill(home: Path, *arrived_at: float, **fields: object) -> Inbox:
    """An inbox with an event for each of these moments."""
    moments = iter(arrived_at)
    inbox = Inbox(home / FILE_NAME, now=lambda: next(moments))
    for number, _ in enumerate(arrived_at):
        inbox.store([open_envelope(orjson.dumps(event(number, **fields)), 1_790_000_000, OWNER)])
    inbox.close()
    return inbox


def test_it_is_how_many_events_wait_and_since_when_the_oldest_does(tmp_path: Path) -> None:
    inbox = fill(tmp_path, 300.5, 200.25, 400.0)
    assert read_backlog(tmp_path) == Backlog(3, 200.25)
    inbox.taken(["evt_1"])
    assert read_backlog(tmp_path) == Backlog(2, 300.5)
    inbox.taken(["evt_0", "evt_2"])
    assert read_backlog(tmp_path) == Backlog(0, None)
    inbox.close()


def test_what_belongs_to_somebody_else_does_not_wait(tmp_path: Path) -> None:
    fill(tmp_path, 100.0, livemode=True)
    assert read_backlog(tmp_path) == Backlog(0, None)


def test_it_can_hold_nothing_but_two_figures() -> None:
    assert {field.name: field.type for field in dataclasses.fields(Backlog)} == {
        "events": int,
        "oldest_at": float | None,
    }


def test_where_nobody_ever_listened_nothing_waits_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert read_backlog(home) == Backlog(0, None)
    assert not home.exists()


def damaged(file: Path) -> None:
    file.write_bytes(b"no database" * 1_000)


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


def of_a_newer_release(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()


def odd(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("update events set received_at = 'customer-1@example.com'")
    connection.close()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("spoil", [damaged, torn, of_a_newer_release, odd, a_folder], ids=lambda spoil: spoil.__name__)
def test_an_inbox_that_cannot_be_read_is_not_known_and_hurts_nobody(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    fill(tmp_path, 100.0, 200.0)
    spoil(tmp_path / FILE_NAME)
    assert read_backlog(tmp_path) is None


HOLDING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma locking_mode = exclusive")
connection.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


def test_an_inbox_that_somebody_holds_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_PATIENCE_SECONDS", 0.0)
    fill(tmp_path, 100.0)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path / FILE_NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert read_backlog(tmp_path) is None
        holder.communicate()
    assert read_backlog(tmp_path) == Backlog(1, 100.0)


def test_an_inbox_of_another_user_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 100.0)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert read_backlog(tmp_path) is None


def test_while_the_door_writes_it_is_read_all_the_same(tmp_path: Path) -> None:
    inbox = fill(tmp_path, 100.0)
    with inbox._transaction():
        assert read_backlog(tmp_path) == Backlog(1, 100.0)
    inbox.close()
