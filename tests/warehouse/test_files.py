"""What is written is for whoever runs the pipeline and nobody else, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_cio_pipeline.cli.app import run
from stripe_cio_pipeline.warehouse import Turn, Warehouse


@pytest.fixture(autouse=True)
def _careless() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink()
    }


def test_a_warehouse_and_its_folder_are_private(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "home" / "warehouse.duckdb")
    with warehouse.connect(), Turn(warehouse, "test"):
        assert modes(tmp_path)["home"] == 0o700
    assert {mode for name, mode in modes(tmp_path).items() if name != "home"} == {0o600}


def test_a_mode_that_somebody_chose_stays(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.connect():
        pass
    Path(warehouse.location).chmod(0o640)
    with warehouse.transaction() as connection:
        connection.execute("create table pipeline.more (a integer)")

    assert modes(tmp_path)["warehouse.duckdb"] == 0o640


def test_the_environment_that_init_writes_is_private_and_the_rest_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path)]) == 0
    capsys.readouterr()

    found = modes(tmp_path)
    assert found[".env"] == 0o600
    assert found["stripe_cio.yaml"] & 0o044
    assert found["models/people.sql"] & 0o044


def test_the_umask_of_whoever_calls_is_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    run(["status"])
    capsys.readouterr()

    assert os.umask(0o000) == 0o000
