from pathlib import Path

import pytest

from tests.model.account import Account


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "warehouse.duckdb")


@pytest.fixture(scope="session")
def data() -> Path:
    return Path(__file__).parent.parent / "data"
