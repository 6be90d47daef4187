"""What every test stands on: no settings of the developer's own, a folder of its own, loopback only."""

import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stripe_cio_pipeline.warehouse import Connection, Warehouse
from stripe_cio_pipeline.warehouse import connection as opening
from tests.kept_open import kept_open


def _write_to_memory() -> None:
    """Put all temporary files where no commit waits for a disk, if there is such a place with room for them."""
    place = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(place, os.W_OK) or os.statvfs(place).f_flag & os.ST_NOEXEC:
        return
    if shutil.disk_usage(place).free > 4 * 2**30:
        os.environ["TMPDIR"] = tempfile.tempdir = str(place)


# Before pytest makes the first folder, and before another process is started.
_write_to_memory()

#: Whose tests mostly have the warehouse for themselves.
_ROOMS = {"extract", "model", "plan", "deliver", "identity", "orchestration"}
_OURS = ("STRIPE_", "CUSTOMERIO_", "DAGSTER_")


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A developer's own keys, .env file, DAGSTER_HOME and stripe_cio.yaml never reach a test."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Each new client of httpx reads all certificates, which takes 30 ms, and hardly a test speaks TLS."""
    read = ssl.create_default_context

    @cache
    def read_once(_named: str | None, *arguments: Any, **options: Any) -> ssl.SSLContext:
        return read(*arguments, **options)

    def known(*arguments: Any, **options: Any) -> ssl.SSLContext:
        return read_once(os.environ.get("SSL_CERT_FILE"), *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", known)
        yield


@pytest.fixture(scope="session", autouse=True)
def _duckdb_has_one_thread() -> Iterator[None]:
    """Handing a few rows from thread to thread takes longer than the work on them. Other processes have all threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(opening._ALONE, "threads", 1)
        yield


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with all schema steps and no row, to be copied: making one takes a tenth of a second, a copy none."""
    place = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    with Warehouse(place).connect():
        return place


@pytest.fixture(autouse=True)
def _new_warehouses_are_copies(empty_warehouse: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of the warehouse itself make theirs step by step; so does every process that a test starts."""
    if "warehouse" in request.path.parts[-2:-1]:
        yield
        return
    # Of its own: a test that undoes what it patched would take this away too.
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Warehouse, "_create", lambda self: shutil.copyfile(empty_warehouse, self.location))
        opened = Warehouse._connect_once

        def connect_once(self: Warehouse, *, read_only: bool) -> Connection:
            if self.location != ":memory:":
                return opened(self, read_only=read_only)
            connection = duckdb.connect(":memory:", config={"threads": 1})
            connection.execute(f"attach '{empty_warehouse}' as empty (read_only)")
            connection.execute("copy from database empty to memory; detach empty")
            # As a warehouse opens it.
            connection.execute("set enable_external_access = false; set python_enable_replacements = false")
            return connection

        monkeypatch.setattr(Warehouse, "_connect_once", connect_once)
        yield


@pytest.fixture(autouse=True)
def _files_are_kept_open(_new_warehouses_are_copies: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Where nobody else wants the file. The command line's tests do so for one command (cli/conftest.py)."""
    if _ROOMS.isdisjoint(request.path.parts) or request.node.get_closest_marker("file_is_shared"):
        yield
    else:
        with kept_open():
            yield


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse in a folder of the test's own."""
    return Warehouse(tmp_path / "warehouse.duckdb", lock_wait_seconds=5)
