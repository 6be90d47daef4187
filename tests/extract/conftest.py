from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extract.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An account of 25 customers with 60 days behind it; nothing is read yet."""
    stage = Stage(tmp_path)
    with stage.sandbox:
        yield stage
