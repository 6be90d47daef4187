"""The asset `model/overview`: pictures of what the warehouse has, drawn by a job of their own."""

import base64
import re
from pathlib import Path

import dagster as dg
import pytest

from tests.drawing.test_drawing import texts
from tests.orchestration.conftest import World
from tests.orchestration.test_materializing import failure, materialized


@pytest.fixture
def told(synced: World) -> dict[str, object]:
    result = synced.run(job="overview")
    assert result.success
    assert set(materialized(result)) == {"model/overview"}
    return materialized(result)["model/overview"]


def test_all_pictures_stand_in_one_entry_each_over_its_words(told: dict[str, object], synced: World) -> None:
    assert list(told)[:2] == ["pictures", "funnel"]
    pictures = re.findall(
        r"^!\[([^]]+)\]\(data:image/svg\+xml;base64,(\S+)\)\n\n(.+)$", str(told["pictures"]), re.MULTILINE
    )
    assert [title for title, _, _ in pictures] == [
        "People: linked, without a subscription, held back",
        "MRR by plan",
        "How much people pay in a month",
        "Funnel: from no subscription to churned",
        "The plan by reason, per day",
        "From a Stripe event to its acceptance by Customer.io",
    ]
    for _, svg, words in pictures:
        assert texts(base64.b64decode(svg).decode())
        assert words.startswith(("People", "Monthly", "Operations", "Time"))


def test_figures_that_the_ui_plots_are_those_of_the_pictures_and_none_is_zero(
    told: dict[str, object], synced: World
) -> None:
    with synced.warehouse.reading() as connection:
        rows = connection.execute(
            "select (select count(*) from customerio.people where state = 'linked'), "
            "(select count(*) from model.people where subscription_status = 'canceled')"
        ).fetchall()
        money = connection.execute(
            "select 'MRR in ' || upper(currency), sum(mrr) from model.people where mrr > 0 group by all"
        ).fetchall()
    assert [(told["people linked"], told["people churned"])] == rows
    shown = {name: value for name, value in told.items() if name.startswith("MRR in ")}
    assert shown
    # With the money in currencies that are not a person's main one it may be more.
    assert all(shown[currency] >= amount - 0.01 for currency, amount in money if currency in shown)
    assert all(value for name, value in told.items() if name != "seconds"), told.keys()


def test_the_funnel_is_seen_without_a_click(told: dict[str, object]) -> None:
    # Dagster folds Markdown of 1,000 signs and more.
    assert len(str(told["funnel"])) < 1000
    assert re.search(r"^\| paying \| \d+ \| █+ \|$", str(told["funnel"]), re.MULTILINE)


def test_before_the_first_sync_it_says_what_to_do(world: World) -> None:
    result = world.run(job="overview")
    assert not result.success
    assert "Run stripe-cio sync first" in failure(result)
    assert not Path(world.warehouse.location).exists()


def test_what_was_read_and_not_delivered_is_drawn(read: World) -> None:
    result = read.run(job="overview")
    assert result.success
    told = materialized(result)["model/overview"]
    assert "people linked" not in told
    assert told["people paying"] > 0


def test_an_overview_that_fails_is_no_failed_sync(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("stripe_cio_pipeline.orchestration.overview_asset.read_overview", broken)
    before = runs(synced)
    result = synced.run(job="overview")
    assert not result.success
    assert runs(synced) == [*before, ("overview", "ValueError")]


def runs(world: World) -> list[tuple[str, str]]:
    with world.warehouse.reading() as connection:
        return connection.execute("select kind, outcome from pipeline.runs order by started_at").fetchall()


def test_it_stands_in_a_group_at_the_end_of_the_graph(synced: World) -> None:
    graph = synced.definitions().resolve_asset_graph()
    assert graph.get(dg.AssetKey(["model", "overview"])).group_name == "overview"
    # No group leads back to one that leads to it.
    edges = {
        (graph.get(parent).group_name, node.group_name) for node in graph.asset_nodes for parent in node.parent_keys
    }
    assert not {(after, before) for before, after in edges if before != after} & edges
