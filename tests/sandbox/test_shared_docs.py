"""The pages about the sandbox are true: each curl line runs, each switch, act and option is told."""

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from stripe_cio_pipeline.sandbox.__main__ import parser
from stripe_cio_pipeline.sandbox.faults import FaultKind

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("sandbox.md", "sandbox-new-attribute.md", "sandbox-outage.md")


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_curl_line_works(name: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", text(name), flags=re.DOTALL)
    assert blocks
    script = "set -euo pipefail\n" + "\n".join(f"{{ {block} }} >>answers" for block in blocks)
    with Sandbox(customers=20, customerio=CustomerioSwitches.gentle()) as sandbox:
        control = sandbox.description()["control"]
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "no_proxy": "*",
            "SANDBOX_TOKEN": sandbox.token,
            "SANDBOX_STRIPE": control["stripe"],
            "SANDBOX_CUSTOMERIO": control["customerio"],
            **sandbox.environment(),
        }
        done = subprocess.run(
            ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, ""), "a curl line of the page failed"


@pytest.mark.parametrize("switches", [StripeSwitches, CustomerioSwitches])
def test_every_switch_is_told(switches: type) -> None:
    for field in dataclasses.fields(switches):
        assert f"`{field.name}`" in text("sandbox.md")


def test_every_act_is_told() -> None:
    sandbox = Sandbox(customers=0)
    for act in sandbox.stripe.acts():
        assert f"`{act}`" in text("sandbox.md")
    sandbox.stop()


def test_every_option_on_the_page_exists() -> None:
    known = {option for action in parser()._actions for option in action.option_strings}
    named = set(re.findall(r"`(--[a-z-]+)", text("sandbox.md")))
    assert len(named) > 8
    assert named <= known


def test_every_fault_is_told() -> None:
    for kind in FaultKind.__args__:  # type: ignore[attr-defined]
        assert f"`{kind}`" in text("sandbox-outage.md")


def test_every_python_example_runs() -> None:
    examples = re.findall(r"```python\n(.*?)```", text("sandbox.md"), flags=re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "sandbox.md", "exec"), {})


def test_the_new_attribute_of_the_page_fits_into_the_model() -> None:
    (alias,) = re.findall(r"^    (\w+)\.metadata ->> 'user_id' as app_user_id,$", text(PAGES[1]), flags=re.MULTILINE)
    model = (DOCS.parent / "stripe_cio_pipeline" / "model" / "sql" / "people.sql").read_text(encoding="utf-8")
    assert f"    {alias}.phone as phone,\n" in model
