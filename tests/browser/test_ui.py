"""The plain Dagster UI in a real browser, from the first click to the Stripe fields behind an attribute.

Needs Debian's chromium (or another, named by CHROMIUM). With STRIPE_CIO_SCREENSHOTS=docs/images the pictures of the
documentation are made anew.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from tests.orchestration.running import RunningDagster, running_dagster

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed here: apt-get install chromium"),
    pytest.mark.timeout(300),
]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def dagster(tmp_path: Path) -> Iterator[RunningDagster]:
    """What `stripe-cio dev` starts, against a sandbox."""
    (tmp_path / "stripe_cio.yaml").write_text("identity: {settle_seconds: 0}\n", encoding="utf-8")
    with (
        Sandbox(seed=7, customers=60, history_days=90, customerio=CustomerioSwitches.gentle()) as sandbox,
        running_dagster(sandbox.environment(), tmp_path) as running,
    ):
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        window = browser.new_page(viewport={"width": 1500, "height": 900})
        window.set_default_timeout(30_000)
        yield window
        browser.close()


def picture(page: Page, name: str, folder: Path) -> None:
    """Keep what is to be seen, for the documentation or for whoever looks into a failure."""
    wanted = os.environ.get("STRIPE_CIO_SCREENSHOTS")
    page.screenshot(path=Path(wanted or folder) / f"{name}.png")


def launched(page: Page, dagster: RunningDagster) -> str:
    """Give the id of the run that the last click started."""
    from tests.orchestration.running import until_true

    query = "{ runsOrError(limit: 1) { ... on Runs { results { runId status } } } }"
    return str(until_true(lambda: [run["runId"] for run in dagster.ask(query)["runsOrError"]["results"]], 30)[0])


def test_a_new_user_gets_from_the_first_click_to_the_fields_behind_an_attribute(
    page: Page, dagster: RunningDagster, tmp_path: Path
) -> None:
    # The graph reads from left to right.
    page.goto(f"{dagster.url}/asset-groups")
    for group in ("stripe", "model", "customerio"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()

    # Everything is materialized; the guard stops the first load before anything is sent.
    page.get_by_role("button", name="Materialize all").click()
    first = launched(page, dagster)
    assert dagster.wait(first) == "FAILURE"

    page.goto(f"{dagster.url}/assets/customerio/plan?view=checks")
    page.get_by_text("guard").first.click()
    expect(page.get_by_text("what to do").first).to_be_visible()
    expect(page.get_by_text("stripe-cio sync --approve").first).to_be_visible()
    picture(page, "guard", tmp_path)
