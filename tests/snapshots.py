"""Worlds that were lived once, and are gone on from in many tests: a sandbox and the folder that was synced with it.

A first sync takes a second of processor time, and a copy of what it leaves some milliseconds.
"""

import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox

LOOPBACK = "127.0.0.1"


def _reserved() -> socket.socket:
    """Bind a free port and do not listen: the system gives it to nobody who asks for any, and a sandbox may name it."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((LOOPBACK, 0))
    return held


@dataclass(frozen=True, slots=True)
class Ports:
    """A port for each side, kept until the end: a warehouse knows by its address whether a key is a new one."""

    held: tuple[socket.socket, socket.socket] = field(default_factory=lambda: (_reserved(), _reserved()))

    @property
    def named(self) -> dict[str, int]:
        """The arguments for a sandbox."""
        stripe, customerio = (each.getsockname()[1] for each in self.held)
        return {"stripe_port": stripe, "customerio_port": customerio}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.held:
            each.close()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder, and both sides as they were when it was taken. `born` are the arguments that the sandbox was made with.

    `start` and the ports are among these, the switches are not.
    """

    folder: Path
    state: Path
    born: dict[str, Any]

    @classmethod
    def take(cls, sandbox: Sandbox, home: Path, into: Path, born: dict[str, Any]) -> Self:
        """Keep a sandbox and a folder under another folder, as they are now. Nobody may have the warehouse open."""
        into.mkdir(parents=True, exist_ok=True)
        taken = cls(into / "home", into / "sandbox.json", {**born, "leads": 0})
        shutil.copytree(home, taken.folder)
        sandbox.save(taken.state)
        return taken

    def sandbox(self, **switches: Any) -> Sandbox:
        """Make a sandbox that goes on from here at the same address; by default it applies everything at once.

        One at a time.
        """
        switches.setdefault("customerio", CustomerioSwitches.gentle())
        made = Sandbox(**self.born, **switches)
        made.load(self.state)
        return made

    def home(self, place: Path) -> Path:
        """Copy the folder to a place, where things may stand already."""
        shutil.copytree(self.folder, place, dirs_exist_ok=True)
        return place
