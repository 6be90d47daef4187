"""The plain Dagster UI in a real browser, from the first click to the Stripe fields behind an attribute.

Needs Debian's chromium (or another, named by CHROMIUM). With SCREENSHOTS=docs/images the pictures of the
documentation are made anew.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from stripe_cio_pipeline.overview import draw_pictures, read_overview, write_page
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.warehouse import Warehouse
from tests.orchestration.running import RunningDagster, running_dagster, until_true

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
    wanted = os.environ.get("SCREENSHOTS")
    page.screenshot(path=Path(wanted or folder) / f"{name}.png")


def launched(dagster: RunningDagster, *, after: int) -> str:
    """Give the id of the run that the last click started; there were `after` runs before."""
    query = "{ runsOrError { ... on Runs { results { runId } } } }"

    def new() -> str | None:
        runs = dagster.ask(query)["runsOrError"]["results"]
        return str(runs[0]["runId"]) if len(runs) > after else None

    return str(until_true(new, 30))


def open_markdown(page: Page, row: str) -> None:
    """Open a Markdown entry of an asset's metadata: one click."""
    page.get_by_role("row").filter(has_text=row).get_by_text("[Show Markdown]").first.click()


#: Words that leave the paper or lie on others, by the browser's own measure of them.
_UNREADABLE = """
() => [...document.querySelectorAll("svg")].flatMap(svg => {
    const paper = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    const cut = texts.filter(([_, box]) => box.left < paper.left || box.right > paper.right);
    const covered = texts.filter(([_, box], place) => texts.slice(place + 1).some(([_, other]) =>
        box.left < other.right && other.left < box.right && box.top + 3 < other.bottom && other.top + 3 < box.bottom));
    return [...cut, ...covered].map(([words]) => words);
})
"""


def read_report(page: Page, folder: Path) -> None:
    """Write what `stripe-cio report` writes, and look at it, in both themes, narrow and wide."""
    with Warehouse(folder / "warehouse.duckdb").reading() as connection:
        found = read_overview(connection, now=time.time())
    report = folder / "report.html"
    report.write_text(write_page(found, draw_pictures(found)), encoding="utf-8")
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(report.as_uri())
        expect(page.get_by_role("heading")).to_contain_text("Stripe account acct_")
        assert page.evaluate(_UNREADABLE) == []
        assert page.evaluate("() => getComputedStyle(document.body).maxWidth") == "800px", "the style is not applied"
        page.set_viewport_size({"width": 400, "height": 900})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
        page.set_viewport_size({"width": 1280, "height": 900})
        page.screenshot(path=folder / f"report-{theme}.png", full_page=True)
    assert refused == []
    page.emulate_media(color_scheme="light")


def test_a_new_user_gets_from_the_first_click_to_the_fields_behind_an_attribute(
    page: Page, dagster: RunningDagster, tmp_path: Path
) -> None:
    # The graph reads from left to right.
    page.goto(f"{dagster.url}/asset-groups")
    places = []
    for group in ("stripe", "model", "customerio"):
        node = page.locator("svg").get_by_text(group, exact=True).first
        expect(node).to_be_visible()
        places.append((node.bounding_box() or {"x": 0.0})["x"])
    assert places == sorted(places)

    # Everything is materialized; the guard stops the first load before anything is sent.
    page.get_by_role("button", name="Materialize all").click()
    assert dagster.wait(launched(dagster, after=0)) == "FAILURE"
    page.goto(f"{dagster.url}/assets/customerio/plan?view=checks")
    page.get_by_text("guard").first.click()
    expect(page.get_by_text("This is the first load").first).to_be_visible()
    expect(page.locator("pre").filter(has_text="approve_plan").first).to_be_visible()
    expect(page.get_by_role("row").first).to_contain_text("Approve with")
    picture(page, "guard", tmp_path)

    # It is approved in the launchpad, where every setting stands with its default.
    page.goto(f"{dagster.url}/locations/stripe_cio_pipeline/jobs/sync/playground")
    expect(page.get_by_text("approve").first).to_be_visible()
    approved = "ops: {make_plan: {config: {approve: true}}}"
    page.evaluate("text => document.querySelector('.CodeMirror').CodeMirror.setValue(text)", approved)
    page.get_by_role("button", name="Launch Run").click()
    assert dagster.wait(launched(dagster, after=1)) == "SUCCESS"

    for job in ("verify", "overview"):
        assert dagster.wait(dagster.launch(job)) == "SUCCESS"

    page.set_viewport_size({"width": 2200, "height": 1000})
    page.goto(f"{dagster.url}/asset-groups?expanded=global@global:model,global@global:customerio")
    page.get_by_text("Hide navigation").click()
    expect(page.locator("svg").get_by_text("plan", exact=True).first).to_be_visible()
    page.wait_for_timeout(1500)
    for unfinished in ("Loading...", "fetching statuses"):
        expect(page.get_by_text(unfinished)).to_have_count(0, timeout=30_000)
    picture(page, "graph", tmp_path)

    # From an attribute to its Stripe fields: the asset, then its lineage.
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto(f"{dagster.url}/assets/model/people")
    expect(page.get_by_text("Row count").first).to_be_visible()
    picture(page, "people", tmp_path)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{dagster.url}/assets/customerio/people")
    open_markdown(page, "lineage")
    mrr = page.get_by_role("row").filter(has=page.get_by_text("mrr", exact=True)).last
    expect(mrr).to_contain_text("subscriptions.items.data[].price.unit_amount")
    page.goto(f"{dagster.url}/assets/model/people")
    open_markdown(page, "lineage m to p")
    drawn = page.get_by_alt_text("Which Stripe fields feed mrr", exact=True)
    expect(drawn).to_be_visible()
    assert drawn.evaluate("image => image.complete && image.naturalWidth > 0"), "the picture does not render"
    assert drawn.evaluate("image => image.width == image.naturalWidth"), "the picture is made smaller"
    shorter = page.get_by_alt_text("Which Stripe fields feed next_payment_attempt_at", exact=True)
    shorter.evaluate("image => image.scrollIntoView({block: 'center'})")
    picture(page, "lineage", tmp_path)
    page.set_viewport_size({"width": 1500, "height": 900})

    # The plan is a picture too, and why it does what it does needs no click.
    page.goto(f"{dagster.url}/assets/customerio/plan")
    expect(page.get_by_text("linked by email").first).to_be_visible()
    open_markdown(page, "picture")
    chart = page.get_by_alt_text("The plan by reason and by attribute")
    expect(chart).to_be_visible()
    assert chart.evaluate("image => image.complete && image.naturalWidth > 0"), "the picture does not render"
    picture(page, "plan", tmp_path)

    # The overview: all pictures in one click, at their own width, and the same in a page of their own.
    page.set_viewport_size({"width": 1280, "height": 1150})
    page.goto(f"{dagster.url}/assets/model/overview")
    expect(page.get_by_text("without a subscription yet").first).to_be_visible()
    open_markdown(page, "pictures")
    drawn = page.get_by_alt_text("Funnel: from no subscription to churned")
    expect(drawn).to_be_visible()
    pictures = page.locator("img[src^='data:image/svg']")
    assert pictures.count() == 6
    for number in range(6):
        assert pictures.nth(number).evaluate("image => image.naturalWidth > 0 && image.width == image.naturalWidth")
    page.wait_for_timeout(500)
    picture(page, "overview", tmp_path)
    read_report(page, tmp_path)

    # Schedules and the sensor are listed, and off.
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto(f"{dagster.url}/automation")
    for name in ("stripe_changes", "sync_schedule", "reconcile_schedule", "verify_schedule"):
        expect(page.get_by_text(name).first).to_be_visible()
    assert page.get_by_role("checkbox", checked=True).count() == 0
