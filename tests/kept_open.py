"""Warehouses whose file stays open from one piece of work to the next, however long that takes to come.

DuckDB takes 20 ms to start, and a sync opens the warehouse thirty times: half of what the suite took was that.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module

import pytest

from stripe_cio_pipeline.warehouse import KEEPER, Statements, Warehouse

#: The module, whose name is also that of its function.
_BUILDING = import_module("stripe_cio_pipeline.model.build")


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep files open until this ends. No other process gets in, and nobody in this one past `Warehouse`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KEEPER, "idle_seconds", math.inf)
        patch.setattr(KEEPER, "longest_seconds", math.inf)
        # A build locks all settings for as long as the file is open: it would have to be opened anew after each.
        patch.setattr(_BUILDING, "_ACTS", _NoLock("stripe_cio_pipeline.model.acts"))
        patch.setattr(Warehouse, "apart", lambda _: nullcontext())
        with KEEPER.keeping():
            yield


def kept_open_for(command: Sequence[str]) -> AbstractContextManager[None]:
    """Keep files open for one command, unless it starts another process that wants the file."""
    return nullcontext() if command[:1] == ("demo",) else kept_open()


class _NoLock(Statements):
    def __getitem__(self, name: str) -> str:
        return "select 1" if name == "lock" else super().__getitem__(name)
