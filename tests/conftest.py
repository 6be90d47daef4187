"""What every test stands on: no settings of the developer's own, a folder of its own, loopback only."""

import os
import shutil
from pathlib import Path

import pytest

from stripe_cio_pipeline.warehouse import Warehouse

_OURS = ("STRIPE_", "CUSTOMERIO_", "DAGSTER_")


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A developer's own keys, .env file, DAGSTER_HOME and stripe_cio.yaml never reach a test."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with all schema steps and no row, to be copied: making one takes a tenth of a second, a copy none."""
    place = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    with Warehouse(place).connect():
        return place


@pytest.fixture(autouse=True)
def _new_warehouses_are_copies(
    monkeypatch: pytest.MonkeyPatch, empty_warehouse: Path, request: pytest.FixtureRequest
) -> None:
    """Tests of the warehouse itself make theirs step by step; so does every process that a test starts."""
    if "warehouse" not in request.path.parts[-2:-1]:
        monkeypatch.setattr(Warehouse, "_create", lambda self: shutil.copyfile(empty_warehouse, self.location))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse in a folder of the test's own."""
    return Warehouse(tmp_path / "warehouse.duckdb", lock_wait_seconds=5)
