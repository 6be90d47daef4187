"""All definitions of one pipeline."""

import dagster as dg

from stripe_cio_pipeline.orchestration.arrivals import build_arrivals_sensor
from stripe_cio_pipeline.orchestration.checks import build_checks
from stripe_cio_pipeline.orchestration.customerio_assets import build_customerio_assets
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.lineage import Traced, trace
from stripe_cio_pipeline.orchestration.model_assets import build_model_assets
from stripe_cio_pipeline.orchestration.overview_asset import build_overview_asset
from stripe_cio_pipeline.orchestration.pipeline import Pipeline
from stripe_cio_pipeline.orchestration.schedules import build_jobs, build_schedules
from stripe_cio_pipeline.orchestration.sensors import build_sensor
from stripe_cio_pipeline.orchestration.stripe_assets import build_stripe_assets


def build_definitions(layout: Layout, pipeline: Pipeline, traced: Traced | None = None) -> dg.Definitions:
    """Build assets, checks, jobs, schedules and sensors. Needs no environment, no warehouse and no network.

    `traced` is the lineage to show, by default what the models' SQL says.
    """
    if traced is None:
        traced = trace(layout.policy)
    assets = [
        *build_stripe_assets(layout, traced),
        *build_model_assets(layout, traced),
        *build_customerio_assets(layout, traced),
        build_overview_asset(layout),
    ]
    jobs = build_jobs(layout, (key for asset in assets for key in asset.keys))
    return dg.Definitions(
        assets=assets,
        asset_checks=build_checks(layout),
        jobs=jobs,
        schedules=build_schedules(layout, jobs),
        sensors=[build_sensor(layout), build_arrivals_sensor(layout)],
        resources={layout.names.resource: pipeline},
        # One process, one DuckDB writer, and a third of the time: each step of its own would start Python anew.
        executor=dg.in_process_executor,
    )
