"""From Stripe field to Customer.io attribute, as data for those whose Dagster shows it and as a picture for everybody.

Dagster's open-source UI stores column lineage and does not show it. So it is also drawn, in the metadata of
`model/people` and of `customerio/people`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import ColumnSource
from stripe_cio_pipeline.model.trace import lineage
from stripe_cio_pipeline.orchestration.drawings import Link, as_markdown, draw_lineage
from stripe_cio_pipeline.orchestration.metadata import Markup, markdown, table
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.outside import escaped
from stripe_cio_pipeline.policy import Policy

_MODELS: tuple[Literal["people", "members", "events"], ...] = ("people", "members", "events")


@dataclass(frozen=True, slots=True)
class Origin:
    """A Stripe field that feeds an attribute, and the columns on the way; or the place where the way is lost.

    `object` is empty where it is, and `seeds.<name>` for a table of the user's own.
    """

    attribute: str
    object: str
    field: str
    through: tuple[str, ...]
    lost: str = ""

    @property
    def is_of_stripe(self) -> bool:
        """Whether this is a field of an object of Stripe's."""
        return bool(self.object) and not self.object.startswith("seeds.")

    @property
    def words(self) -> str:
        """Where the attribute comes from, for reading."""
        return f"{self.object}.{self.field}" if self.object else f"what cannot be followed at {self.lost}"


@dataclass(frozen=True, slots=True)
class Traced:
    """Where the columns of the three models come from, or why that cannot be told."""

    origins: tuple[Origin, ...] = ()
    members: tuple[Origin, ...] = ()
    events: tuple[Origin, ...] = ()
    problem: str = ""


def trace(policy: Policy) -> Traced:
    """Trace every column of the models back to Stripe. SQL that cannot be read is a problem told, not raised.

    Definitions must load with a broken model too: the step that runs it is where it fails.
    """
    try:
        found = {model: _origins(lineage(policy, model=model)) for model in _MODELS}
    except ModelError as wrong:
        return Traced(problem=str(wrong))
    if not found["people"]:
        return Traced(problem="people.sql cannot be followed. stripe-cio check tells where it is wrong.")
    return Traced(found["people"], found["members"], found["events"])


def _origins(found: Mapping[str, tuple[ColumnSource, ...]]) -> tuple[Origin, ...]:
    return tuple(
        Origin(attribute, source.table.removeprefix("stripe."), source.field, source.through, source.lost)
        for attribute, sources in found.items()
        for source in sources
    )


def model_lineage(names: Names, found: Iterable[Origin]) -> dg.TableColumnLineage:
    """Give the lineage of a model: column from Stripe field."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    # A field may feed an attribute by several ways; as an edge it counts once.
    edges = ((origin.attribute, origin.object, origin.field) for origin in found if origin.is_of_stripe)
    for attribute, kind, field in dict.fromkeys(edges):
        deps.setdefault(attribute, []).append(
            dg.TableColumnDep(asset_key=names.asset("stripe", kind), column_name=field)
        )
    return dg.TableColumnLineage(deps_by_column=deps)


def plan_lineage(names: Names, found: Iterable[Origin]) -> dg.TableColumnLineage:
    """Give the lineage of `customerio/plan`: what shall be is what the model says."""
    people, events = names.asset("model", "people"), names.asset("model", "events")
    attributes = [
        dg.TableColumnDep(asset_key=people, column_name=name)
        for name in dict.fromkeys(origin.attribute for origin in found)
    ]
    return dg.TableColumnLineage(
        deps_by_column={
            "person_id": [dg.TableColumnDep(asset_key=people, column_name="person_id")],
            "event_id": [dg.TableColumnDep(asset_key=events, column_name="event_id")],
            "after": attributes,
            "operation": [*attributes, dg.TableColumnDep(asset_key=events, column_name="data")],
        }
    )


def event_lineage(names: Names) -> dg.TableColumnLineage:
    """Give the lineage of `customerio/events`: what was sent of an event is what the model says."""
    events = names.asset("model", "events")
    kept = {
        "event_id": "event_id",
        "ulid": "event_id",
        "person_id": "customer_id",
        "name": "name",
        "created": "created",
    }
    return dg.TableColumnLineage(
        deps_by_column={
            column: [dg.TableColumnDep(asset_key=events, column_name=source)] for column, source in kept.items()
        }
    )


def attribute_lineage(names: Names, found: Iterable[Origin]) -> dg.TableColumnLineage:
    """Give the lineage of `customerio/people`: each attribute is the column of people.sql with its name."""
    people = names.asset("model", "people")
    attributes = dict.fromkeys(origin.attribute for origin in found)
    return dg.TableColumnLineage(
        deps_by_column={name: [dg.TableColumnDep(asset_key=people, column_name=name)] for name in attributes}
    )


def words(found: Iterable[Origin]) -> dict[str, str]:
    """Say of each attribute in one line where it comes from."""
    sources: dict[str, list[str]] = {}
    for origin in found:
        sources.setdefault(origin.attribute, []).append(origin.words)
    return {name: "from " + ", ".join(dict.fromkeys(fields)) for name, fields in sources.items()}


def fields_read(found: Iterable[Origin], name: str) -> tuple[dg.TableColumn, ...]:
    """Give the payload fields of one Stripe table that feed columns, as columns that lineage can point at."""
    readers: dict[str, list[str]] = {}
    for origin in found:
        if origin.object == name:
            readers.setdefault(origin.field, []).append(origin.attribute)
    return tuple(
        dg.TableColumn(
            field, "field of payload", description="feeds " + ", ".join(dict.fromkeys(attributes)), tags={"field": ""}
        )
        for field, attributes in sorted(readers.items())
    )


def drawn(traced: Traced) -> dg.MetadataValue:
    """Draw the whole way as a picture, and write it as a table below, field by field."""
    if traced.problem:
        return markdown(f"The models cannot be read: {escaped(traced.problem)}")
    kept = traced.origins
    links = dict.fromkeys(
        Link(f"stripe.{origin.object}", _shortened(origin.field), origin.attribute)
        for origin in kept
        if origin.is_of_stripe
    )
    rows: dict[str, tuple[list[str], list[str]]] = {}
    for origin in kept:
        fields, through = rows.setdefault(origin.attribute, ([], []))
        fields.append(escaped(origin.words))
        through.extend(escaped(step) for step in origin.through)
    return markdown(
        as_markdown(draw_lineage(tuple(links)), "Which Stripe fields feed which Customer.io attribute"),
        table(
            ("Customer.io attribute", "Stripe fields", "through"),
            (
                (
                    Markup(f"**{escaped(name)}**"),
                    Markup(", ".join(dict.fromkeys(fields))),
                    Markup(", ".join(dict.fromkeys(through))),
                )
                for name, (fields, through) in rows.items()
            ),
        ),
    )


def _shortened(field: str) -> str:
    """Name the part of the payload that a field stands in: a picture of every field is a picture of none."""
    parts = field.split(".")
    # `items.data[]` is one step: the elements of a list.
    steps = [".".join(parts[:2]), *parts[2:]] if parts[1:2] == ["data[]"] else parts
    kept = 2 if steps[0].endswith(".data[]") else 1
    return field if len(steps) <= kept else ".".join([*steps[:kept], "*"])
