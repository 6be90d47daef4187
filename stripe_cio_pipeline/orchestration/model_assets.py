"""The assets of the group `model`: who is who, what everybody looks like, which events to forward."""

import importlib.resources
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import ModelReport, build
from stripe_cio_pipeline.model.files import ModelFile, load_models
from stripe_cio_pipeline.orchestration.layout import Layout, Source, describe_asset
from stripe_cio_pipeline.orchestration.lineage import Traced, as_table, drawn, model_lineage, words
from stripe_cio_pipeline.orchestration.metadata import counts, markdown, masked_value, numbers, table
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.steps import a_step
from stripe_cio_pipeline.orchestration.tables import column_schema, preview, row_count
from stripe_cio_pipeline.sync import compute_model
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.orchestration.sql")

MEMBER_COLUMNS = {
    "customer_id": "the Stripe customer",
    "person_id": "the person: the Stripe customer id of the owner",
    "role": "owner or member",
    "email": "the usable email, trimmed",
    "email_key": "the email in lower case, as emails are compared",
    "reason": "why this customer belongs to this person",
}
EVENT_COLUMNS = {
    "event_id": "Stripe's id of the event",
    "type": "what happened, as Stripe calls it",
    "customer_id": "the Stripe customer",
    "person_id": "the person who gets it",
    "created": "when it happened: unix seconds, Stripe's clock",
    "name": "the event's name in Customer.io",
    "data": "what a campaign can use, flat",
}

#: Columns of model.people that tell most about a person without telling who it is.
_TELLING = ("person_id", "email", "plan", "subscription_status", "mrr", "currency", "trial_ends_at", "delinquent")

_OWNERSHIP = ("customers", "subscriptions", "charges")

_MEMBERS = """\
Which Stripe customers are one person, and why: a row per customer.

Customers that share an email are one person. One of them owns it until it is deleted: the one with a live subscription,
else with the most recent payment, else the oldest. The rule is in `members.sql`.
"""
_PEOPLE = """\
What every person should look like in Customer.io: a row per person, **a column per attribute**.

To add or change an attribute, edit `people.sql` (`stripe-cio init` copies it out); nothing else is needed.
Below, *Columns* says what each attribute means, *lineage b to c* and the like show which Stripe fields feed it, and
*lineage* is a table of them all.
"""
_EVENTS = """\
Which Stripe events are forwarded, and with which data: a row per event.

The data is flat, with amounts in major units, ready for Liquid in an email.
The policy's `events.forward` chooses, and `events.sql` makes the data.
"""


class ModelConfig(dg.Config):
    """How the model is computed."""

    full: bool = Field(
        default=False,
        description="Recompute every person, not only those whose customers changed. The result is the same, so it is "
        "needed only to make sure.",
    )


def build_model_assets(layout: Layout, traced: Traced) -> list[dg.AssetsDefinition]:
    """Build `model/members`, `model/people` and `model/events`: one pass of the model fills all three."""
    names = layout.names
    objects = [names.asset("stripe", kind.name) for kind in layout.objects]
    feed = names.asset("stripe", "events")
    members, people, events = (names.asset("model", name) for name in ("members", "people", "events"))
    files = _files(layout)
    limits = dg.AssetCheckSpec(
        "limits",
        asset=people,
        description="Every value that was just computed is within Customer.io's limits.",
    )

    def describe(
        name: str, words: str, deps: list[dg.AssetKey], metadata: dict[str, Any] | None = None
    ) -> dg.AssetSpec:
        file = files.get(name)
        return describe_asset(
            layout,
            "model",
            name,
            words if file is None else f"{words}\n`{file.where}`:\n\n```sql\n{file.sql.strip()}\n```\n",
            deps=deps,
            kinds=("duckdb", "sql"),
            sources=[Source.of(build), *([Source.at(_path(file))] if file else [])],
            table=f"model.{name}",
            metadata=metadata,
        )

    @dg.multi_asset(
        name=names.act("build_model"),
        can_subset=True,
        required_resource_keys={names.resource},
        specs=[
            # What members.sql reads to tell who owns an email.
            describe("members", _MEMBERS, [names.asset("stripe", name) for name in _OWNERSHIP]),
            describe("people", _PEOPLE, [*objects, members], {**drawn(traced), "lineage": as_table(traced)}),
            describe("events", _EVENTS, [feed, members]),
        ],
        check_specs=[limits],
    )
    def build_model(
        context: dg.AssetExecutionContext, config: ModelConfig
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Run the SQL of the model over what changed."""
        with a_step(context, names, in_turn=True) as opened:
            report = compute_model(opened, context.run.run_id, full=config.full)
            with opened.warehouse.reading() as connection:
                told: dict[dg.AssetKey, Callable[[], dict[str, Any]]] = {
                    members: lambda: {
                        **_tell_of_members(connection),
                        "dagster/column_lineage": model_lineage(names, traced.members),
                    },
                    people: lambda: _tell_of_people(connection, names, report, traced),
                    events: lambda: {
                        **_tell_of_events(connection),
                        "dagster/column_lineage": model_lineage(names, traced.events),
                    },
                }
                results: list[dg.MaterializeResult[None]] = [
                    dg.MaterializeResult(asset_key=key, metadata={**tell(), **_figures(report)})
                    for key, tell in told.items()
                    if key in context.selected_asset_keys
                ]
        yield from results
        if limits.key in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(
                check_name=limits.name,
                asset_key=people,
                passed=not report.findings,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=_findings(report),
            )

    return [build_model]


def _files(layout: Layout) -> Mapping[str, ModelFile]:
    try:
        models = load_models(layout.policy.models.folder)
    except ModelError:
        # Definitions load with broken models too; the step that runs them says what is wrong.
        return {}
    return {"members": models.members, "people": models.people, "events": models.events}


def _path(file: ModelFile) -> Path:
    if not file.builtin:
        return Path(file.where)
    return Path(str(importlib.resources.files("stripe_cio_pipeline.model").joinpath("sql", f"{file.name}.sql")))


def _figures(report: ModelReport) -> dict[str, dg.MetadataValue]:
    return counts(
        {
            "people": report.people,
            "people changed": report.changed,
            "customers changed": report.customers_changed,
            "seconds": report.seconds,
        }
    )


def _tell_of_members(connection: Connection) -> dict[str, Any]:
    return {
        "dagster/row_count": row_count(connection, "model.members"),
        "dagster/column_schema": column_schema(connection, "model.members", MEMBER_COLUMNS),
        "why": preview(connection, "members_by_reason"),
        "preview": preview(connection, "shared_emails"),
    }


def _tell_of_people(connection: Connection, names: Names, report: ModelReport, traced: Traced) -> dict[str, Any]:
    return {
        "preview": _people_preview(connection),
        "dagster/row_count": report.people,
        "dagster/column_schema": column_schema(connection, "model.people", words(traced)),
        "dagster/column_lineage": model_lineage(names, traced.origins),
        "attributes": len(report.columns),
        **({"asks for the day": " and ".join(report.dated)} if report.dated else {}),
        **({"changed with the day": report.written} if report.day_turned else {}),
    }


def _tell_of_events(connection: Connection) -> dict[str, Any]:
    return {
        "dagster/row_count": row_count(connection, "model.events"),
        "dagster/column_schema": column_schema(connection, "model.events", EVENT_COLUMNS),
        "preview": preview(connection, "newest_model_events"),
    }


def _findings(report: ModelReport) -> dict[str, Any]:
    rows = (
        (finding.column, finding.limit, finding.action, finding.people, finding.example, finding.advice)
        for finding in report.findings
    )
    return {
        **numbers({"findings": len(report.findings)}),
        "limits": markdown(
            table(
                ("attribute", "limit", "what was done", "people", "for example", "advice"),
                rows,
                nothing="Every value is within the limits.",
                longest_cell=300,
            )
        ),
    }


def _people_preview(connection: Connection) -> dg.MetadataValue:
    result = connection.execute(_SQL["newest_people"])
    columns = [str(column[0]) for column in result.description]
    # Only what tells nothing about who it is; a models folder may have taken any of them out.
    shown = [name for name in _TELLING if name in columns]
    rows = ([masked_value(name, row[columns.index(name)]) for name in shown] for row in result.fetchall())
    return markdown(table(shown, rows))
