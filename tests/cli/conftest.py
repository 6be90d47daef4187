"""The command line as a user has it: arguments in; exit code, standard output and standard error out."""

from collections.abc import Callable
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


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run `stripe-cio` with these arguments."""

    def call(*arguments: str) -> Answer:
        capfd.readouterr()
        exit_code = run(arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Answer(exit_code, out, err)

    return call


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sandbox], None]:
    """Set the environment to a sandbox's."""

    def point(sandbox: Sandbox) -> None:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)

    return point


def gentle(**more: Any) -> Sandbox:
    """Give a sandbox whose Customer.io applies everything at once, for tests of the command line alone."""
    return Sandbox(customerio=CustomerioSwitches.gentle(), **more)
