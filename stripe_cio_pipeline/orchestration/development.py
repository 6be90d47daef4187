"""The Dagster UI on this machine, with a home of its own under STRIPE_CIO_HOME."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import FrameType

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.settings import Settings

#: The variable which, set to `running`, lets schedules and sensor begin switched on; meant for a sandbox.
AUTOMATION = "STRIPE_CIO_AUTOMATION"

_FILES = ("dagster.yaml", "workspace.yaml")

#: `dagster dev` says at every start that there is `dg dev` too, which is the same and wants a project.
_NO_ADVERTISEMENT = "ignore:Function `dev_command` is superseded"


def prepare_home(settings: Settings) -> Path:
    """Make the Dagster home under STRIPE_CIO_HOME and give its path. Files that are there already are kept."""
    home = settings.home.absolute() / "dagster"
    settings.home.absolute().mkdir(mode=0o700, parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    for name in _FILES:
        if not (home / name).exists():
            shipped = files("stripe_cio_pipeline.orchestration").joinpath("instance", name)
            (home / name).write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    return home


def dev(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 3000,
    environment: Mapping[str, str] | None = None,
    listen_port: int | None = None,
) -> int:
    """Run Dagster's webserver and daemon until they are stopped, and give their exit code.

    `environment` is added to this process's own, for a sandbox's keys and addresses. With `listen_port` webhooks are
    taken beside them (`stripe-cio listen`). Raises PipelineError where something else ended them.
    """
    home = prepare_home(settings)
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml"), "-h", host, "-p", str(port)]
    warnings = os.environ.get("PYTHONWARNINGS", "")
    added = {
        "DAGSTER_HOME": str(home),
        "STRIPE_CIO_HOME": str(settings.home.absolute()),
        "PYTHONWARNINGS": ",".join(filter(None, [warnings, _NO_ADVERTISEMENT])),
        **(environment or {}),
    }
    # dagster maps SIGTERM to SIGINT's handler, and a shell's background job starts with SIGINT ignored: restore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            _listening(listen_port, {**os.environ, **added}),
            subprocess.Popen(command, env={**os.environ, **added}) as process,  # noqa: S603 (our own interpreter)
        ):
            signal.signal(signal.SIGTERM, _passing_on(process))
            # A Ctrl-C reaches both processes; the one that has something to tidy up is dagster.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return _ended(process.wait())
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _listening(port: int | None, environment: Mapping[str, str]) -> Iterator[None]:
    """Take webhooks within this block, in a process of its own: what it says stands between Dagster's lines."""
    if port is None:
        yield
        return
    command = [sys.executable, "-m", "stripe_cio_pipeline.cli", "listen", "--port", str(port)]
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 (our own interpreter)
        try:
            yield
        finally:
            process.terminate()


def _ended(code: int) -> int:
    """Give the exit code of whoever was asked to stop, or stopped by itself. Raises PipelineError for the others."""
    if code >= 0:
        return code
    if -code in (signal.SIGINT, signal.SIGTERM):
        return 128 - code
    raise PipelineError(
        f"Dagster was ended from outside, by {signal.Signals(-code).name}.",
        "Usually the system does that when memory runs out: give it more, and start it again. What was committed is "
        "safe; Dagster marks a run in progress as failed, and the next one goes on where it stopped.",
    )


def _passing_on(process: "subprocess.Popen[bytes]") -> Callable[[int, FrameType | None], None]:
    def stop(_: int, __: FrameType | None) -> None:
        process.terminate()

    return stop
