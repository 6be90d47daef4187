"""The command line as a user has it: arguments in; exit code, standard output and standard error out."""

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from stripe_cio_pipeline.cli.app import run
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox


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


Cli = Callable[..., Answer]


def call(*arguments: str) -> Answer:
    """Run `stripe-cio` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        exit_code = run(arguments)
    answer = Answer(exit_code, out.getvalue(), err.getvalue())
    assert "Traceback" not in answer.words
    return answer


@pytest.fixture(scope="session")
def cli() -> Cli:
    """The command line."""
    return call


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An empty account and an empty workspace that applies everything at once; the environment points at them."""
    with Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made
