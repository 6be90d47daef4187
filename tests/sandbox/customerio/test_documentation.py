"""The page of the sandbox names what this side has, with its defaults."""

import dataclasses
import re
from pathlib import Path

import pytest

from stripe_cio_pipeline.sandbox import AWKWARD, CustomerioSwitches

PAGE = Path(__file__).parents[3] / "docs" / "sandbox.md"
SECTION = PAGE.read_text(encoding="utf-8").split("## The Customer.io side")[1].split("\n## ")[0]
TOLD = {None: "none", True: "true", False: "false"}


def documented():
    """Give the default of each switch in the table, where a row may hold several switches."""
    defaults = {}
    for names, default in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|", SECTION, flags=re.MULTILINE):
        switches = re.findall(r"`(\w+)`", names)
        told = re.findall(r"`[^`]*`|[^,`\s]+", default) if len(switches) > 1 else [default]
        told = told * len(switches) if len(told) == 1 else told
        defaults |= dict(zip(switches, told, strict=True))
    return defaults


@pytest.mark.parametrize("field", dataclasses.fields(CustomerioSwitches), ids=lambda field: field.name)
def test_every_switch_is_documented_with_its_default(field):
    value = getattr(CustomerioSwitches(), field.name)
    told = documented()[field.name]
    if field.name in ("site_id", "track_api_key", "app_api_key"):
        assert value.startswith("sandbox-")
    elif isinstance(value, str):
        assert told == f"`{value}`"
    elif isinstance(value, dict):
        assert told == "`{}`"
    elif isinstance(value, tuple):
        assert told == "`[" + ", ".join(f'"{one}"' if isinstance(one, str) else f"{one:g}" for one in value) + "]`"
    elif isinstance(value, bool) or value is None:
        assert told == TOLD[value]
    else:
        assert float(told) == value


def test_the_awkward_set_is_documented_and_differs_from_the_defaults():
    switches, defaults = CustomerioSwitches.awkward(), CustomerioSwitches()
    told = re.sub(r"\s+", " ", SECTION.split("what is in `AWKWARD`")[1].split("A caller who is right")[0])
    assert len(re.findall(r"`(\w+)` (?:`\w+`|[\w.]+)[,.]", told)) == len(AWKWARD)
    for name, value in AWKWARD.items():
        spelled = f"`{value}`" if isinstance(value, str) else str(value).lower()
        assert f"`{name}` {spelled}" in told
        assert getattr(switches, name) == value != getattr(defaults, name)


def test_every_act_is_documented(workspace):
    assert all(f"`{name}`" in SECTION for name in workspace.acts())
