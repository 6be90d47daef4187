from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extract.stage import Lives, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An account of 25 customers with 60 days behind it; nothing is read yet."""
    stage = Stage(tmp_path)
    with stage.sandbox:
        yield stage


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """What was lived once, for all tests of this room."""
    lived = Lives(tmp_path_factory.mktemp("lives"))
    yield lived
    lived.close()
