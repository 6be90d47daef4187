"""docs/dagster.md names everything there is."""

import re
from pathlib import Path

from tests.orchestration.test_definitions import built, snapshot

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dagster.md").read_text(encoding="utf-8")


def test_every_asset_check_job_schedule_and_setting_is_explained() -> None:
    found = snapshot(built())
    named = set(re.findall(r"`([^`\n]+)`", PAGE))
    names = {name.partition("/")[2] for name in found["assets"] if name.startswith("stripe/")}
    names -= {name.removeprefix("stripe/") for name in named}
    assert names == set()
    assert {name.partition(":")[2] for name in found["checks"]} <= named
    assert {*found["jobs"], *found["schedules"], *found["sensors"]} <= named
    for step, settings in found["config"].items():
        assert step in named
        assert set(settings) <= named, step


def test_every_picture_is_there() -> None:
    for picture in re.findall(r"\]\((images/[^)]+)\)", PAGE):
        assert (ROOT / "docs" / picture).is_file(), picture
