"""The asset `model/overview`: the account and the pipeline in pictures. It only reads the warehouse."""

import time
from datetime import timedelta
from typing import Any

import dagster as dg

from stripe_cio_pipeline.drawing import as_markdown
from stripe_cio_pipeline.orchestration.layout import Layout, Source, describe_asset
from stripe_cio_pipeline.orchestration.metadata import bar_table, counts, markdown, numbers
from stripe_cio_pipeline.orchestration.steps import a_step
from stripe_cio_pipeline.outside import escaped, visible
from stripe_cio_pipeline.overview import Overview, draw_pictures, read_overview
from stripe_cio_pipeline.overview.pictures import funnel

_OVERVIEW = """\
The account and the pipeline in pictures: people linked and held back, MRR by plan, the funnel, plans by reason, and how
long a change takes.

Under **Metadata**, *pictures* → **Show Markdown** has all of them, each with what it counts and where that comes from.
They are computed from the warehouse by their own job, once a day. `stripe-cio report` writes the same as an HTML file.
"""

#: Currencies whose MRR is plotted: those in which most people pay.
_CURRENCIES = 4


def build_overview_asset(layout: Layout) -> dg.AssetsDefinition:
    """Build `model/overview`. It is in no job but its own, so that a sync never waits for pictures."""
    names = layout.names
    key = names.asset("model", "overview")

    @dg.multi_asset(
        name=names.act("draw_overview"),
        required_resource_keys={names.resource},
        specs=[
            describe_asset(
                # In a group of its own, at the graph's end: from `model` the graph would go in a circle.
                layout, "model", "overview", _OVERVIEW, shown_in="overview",
                deps=[
                    names.asset("model", "people"),
                    names.asset("stripe", "events"),
                    *(names.asset("customerio", name) for name in ("plan", "people", "events")),
                ],
                kinds=("duckdb",),
                sources=[Source.of(read_overview), Source.of(draw_pictures)],
                freshness=dg.FreshnessPolicy.time_window(
                    fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
                ),
            )
        ],
    )  # fmt: skip
    def overview(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        """Read the numbers and draw them."""
        started = time.monotonic()
        with a_step(context, names, "overview") as opened:
            with opened.warehouse.reading() as connection:
                found = read_overview(connection, now=time.time())
            told = _tell(found)
        seconds = numbers({"seconds": time.monotonic() - started})
        return dg.MaterializeResult(asset_key=key, metadata={**told, **seconds})

    return overview


def _tell(found: Overview) -> dict[str, Any]:
    stages = funnel(found)
    # Yesterday is whole; today is what there is on the first day.
    lag = found.lags[-2] or found.lags[-1]
    drawn = (f"{as_markdown(each.svg, each.title)}\n\n{escaped(each.words)}" for each in draw_pictures(found))
    return {
        "pictures": markdown("\n\n---\n\n".join(drawn)),
        "funnel": markdown(bar_table(("stage", "people"), list(stages.items()), "Nobody is in Stripe yet.")),
        **counts(
            {
                "people linked": found.linked[-1],
                "people held back": found.held[-1],
                **{f"people {name}": people for name, people in stages.items()},
            }
        ),
        **numbers(
            {
                f"MRR in {visible(revenue.currency).upper()}": float(revenue.mrr)
                for revenue in found.revenue[:_CURRENCIES]
            }
        ),
        **numbers(
            {}
            if lag is None
            else {
                "p50 of seconds from event to accepted": lag.half,
                "p95 of seconds from event to accepted": lag.most,
            }
        ),
    }
