"""The command line as a user has it: arguments in; exit code, standard output and standard error out."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from stripe_cio_pipeline.cli.app import run
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from tests.kept_open import kept_open_for
from tests.snapshots import Ports, Snapshot


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command gave back."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on the last line of standard output."""
        return orjson.loads(self.out.splitlines()[-1])

    @property
    def words(self) -> str:
        """Everything that was said, on one line."""
        return " ".join((self.out + self.err).split())


POLICY = """\
identity: {settle_seconds: 0}
guard: {first_load: send}
stripe: {limits: {endpoint: 500, account: 2000}}
"""

Cli = Callable[..., Answer]
Ended = subprocess.CompletedProcess[str]


def call(*arguments: str) -> Answer:
    """Run `stripe-cio` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), kept_open_for(arguments):
        exit_code = run(arguments)
    answer = Answer(exit_code, out.getvalue(), err.getvalue())
    assert "Traceback" not in answer.words
    return answer


def python(*arguments: str, env: Mapping[str, str] = os.environ, timeout: float | None = None) -> Ended:
    """Run a process of Python to its end; give what it printed."""
    return subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False, timeout=timeout
    )


@pytest.fixture(scope="session")
def cli() -> Cli:
    """The command line."""
    return call


@contextlib.contextmanager
def lived_on(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Go on from a snapshot in the working directory; the environment points at its sandbox."""
    snapshot.home(Path())
    with snapshot.sandbox() as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made


@contextlib.contextmanager
def first_life(folder: Path, policy: str) -> Iterator[tuple[Sandbox, Callable[[], Snapshot]]]:
    """Live where a snapshot is to be taken: an empty account, and a folder with this policy, where commands run.

    Gives the sandbox, and what takes the snapshot. Of use to one test at a time, until this ends.
    """
    home = folder / "first"
    home.mkdir()
    (home / "stripe_cio.yaml").write_text(policy)
    with contextlib.ExitStack() as held:
        ports = held.enter_context(Ports())
        lived = held.enter_context(contextlib.ExitStack())
        monkeypatch = lived.enter_context(pytest.MonkeyPatch.context())
        born = {"customers": 0, "leads": 0, "start": int(time.time()), **ports.named}
        sandbox = lived.enter_context(Sandbox(**born, customerio=CustomerioSwitches.gentle()))
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(home)

        def take() -> Snapshot:
            taken = Snapshot.take(sandbox, home, folder / "taken", born)
            lived.close()
            return taken

        yield sandbox, take


@pytest.fixture
def sandbox(empty_sandbox: Sandbox) -> Sandbox:
    """Where a module has no other: an empty one."""
    return empty_sandbox


@pytest.fixture
def empty_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An empty account and an empty workspace that applies everything at once; the environment points at them."""
    with Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture(scope="session")
def installation(cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox with one customer and a folder that was synced with it."""
    folder = tmp_path_factory.mktemp("installation")
    (folder / "stripe_cio.yaml").write_text(POLICY)
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as sandbox,
    ):
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        sandbox.stripe.create_customer(email="customer-1@example.com")
        sandbox.clock.advance(hours=1)
        answer = cli("sync")
        assert answer.exit_code == 0, answer.words
        monkeypatch.undo()
        yield sandbox, folder


@pytest.fixture
def synced(installation: tuple[Sandbox, Path], monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The installation, with a copy of its warehouse in this test's folder.

    Other tests use the same sandbox: ask only about customers of your own.
    """
    sandbox, folder = installation
    shutil.copytree(folder / ".stripe_cio", ".stripe_cio")
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return sandbox


@pytest.fixture
def policy_file() -> None:
    """A policy for tests: nothing waits for an approval or a link."""
    Path("stripe_cio.yaml").write_text(POLICY)
