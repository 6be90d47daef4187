"""From Stripe field to Customer.io attribute, as data for those whose Dagster shows it and as a picture for everybody.

Dagster's open-source UI stores column lineage and does not show it. So it is also drawn, attribute by attribute, in the
metadata of `model/people`, and written as a table there and in that of `customerio/people`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import dagster as dg

from stripe_cio_pipeline.drawing import as_markdown, draw_attribute
from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import ColumnSource
from stripe_cio_pipeline.model.trace import lineage, meanings
from stripe_cio_pipeline.orchestration.metadata import Markup, markdown, table
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.outside import escaped
from stripe_cio_pipeline.policy import Policy

_MODELS: tuple[Literal["people", "members", "events"], ...] = ("people", "members", "events")

#: An entry with drawings is full at so many.
_ON_A_PAGE = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """A Stripe field that feeds an attribute, and the columns on the way; or the place where the way is lost.

    `object` is empty where it is, and `seeds.<name>` for a table of the user's own.
    """

    attribute: str
    object: str
    path: str
    through: tuple[str, ...]
    lost: str = ""

    @property
    def is_of_stripe(self) -> bool:
        """Whether this is a field of an object of Stripe's."""
        return bool(self.object) and not self.object.startswith("seeds.")

    @property
    def words(self) -> str:
        """Where the attribute comes from, for reading."""
        return f"{self.object}.{self.path}" if self.object else f"what cannot be followed at {self.lost}"


@dataclass(frozen=True, slots=True)
class Traced:
    """Where the columns of the three models come from, or why that cannot be told."""

    origins: tuple[Origin, ...] = ()
    members: tuple[Origin, ...] = ()
    events: tuple[Origin, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
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
        return Traced(problem="people.sql cannot be followed. stripe-cio check says what is wrong and where.")
    return Traced(found["people"], found["members"], found["events"], meanings(policy))


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
    edges = ((origin.attribute, origin.object, origin.path) for origin in found if origin.is_of_stripe)
    for attribute, kind, path in dict.fromkeys(edges):
        deps.setdefault(attribute, []).append(
            dg.TableColumnDep(asset_key=names.asset("stripe", kind), column_name=path)
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


def words(traced: Traced) -> dict[str, str]:
    """Say of each attribute what it means, and where it comes from."""
    sources: dict[str, list[str]] = {}
    for origin in traced.origins:
        sources.setdefault(origin.attribute, []).append(origin.words)
    made_of = {name: f"From {', '.join(dict.fromkeys(fields))}." for name, fields in sources.items()}
    return {name: f"{_meaning(traced, name)} {made}".strip() for name, made in made_of.items()}


def _meaning(traced: Traced, attribute: str) -> str:
    """Give the first paragraph of what an attribute means, empty for one that the user has made."""
    return " ".join(traced.meanings.get(attribute, "").partition("\n\n")[0].split())


def fields_read(found: Iterable[Origin], name: str) -> tuple[dg.TableColumn, ...]:
    """Give the payload fields of one Stripe table that feed columns, as columns that lineage can point at."""
    readers: dict[str, list[str]] = {}
    for origin in found:
        if origin.object == name:
            readers.setdefault(origin.path, []).append(origin.attribute)
    return tuple(
        dg.TableColumn(
            path, "field of payload", description="feeds " + ", ".join(dict.fromkeys(attributes)), tags={"field": ""}
        )
        for path, attributes in sorted(readers.items())
    )


def as_table(traced: Traced) -> dg.MetadataValue:
    """Write the whole way as a table, attribute by attribute."""
    if traced.problem:
        return _told(traced)
    return markdown(
        table(
            ("Customer.io attribute", "Stripe fields", "through"),
            (
                (
                    Markup(f"**{escaped(name)}**"),
                    Markup(", ".join(dict.fromkeys(escaped(origin.words) for origin in origins))),
                    Markup(_through(origins)),
                )
                for name, origins in _by_attribute(traced).items()
            ),
        ),
    )


def drawn(traced: Traced) -> dict[str, dg.MetadataValue]:
    """Draw each attribute alone, under its meaning. An entry has the attributes of a few letters, in their order."""
    if traced.problem:
        return {"lineage": _told(traced)}
    found = _by_attribute(traced)
    pages: list[list[str]] = []
    for _, same_letter in groupby(sorted(found, key=str.lower), key=lambda name: name[:1].lower()):
        if not pages or len(pages[-1]) >= _ON_A_PAGE:
            pages.append([])
        pages[-1].extend(same_letter)
    if len(pages) > 1 and len(pages[-1]) < _ON_A_PAGE / 2:
        pages[-2:] = [pages[-2] + pages[-1]]
    return {_letters(page): markdown(*(_picture(traced, name, found[name]) for name in page)) for page in pages}


def _letters(page: Sequence[str]) -> str:
    ends = dict.fromkeys((page[0][:1].lower(), page[-1][:1].lower()))
    return f"lineage {' to '.join(ends)}"


def _told(traced: Traced) -> dg.MetadataValue:
    return markdown(f"The models cannot be read: {escaped(traced.problem)}")


def _by_attribute(traced: Traced) -> dict[str, list[Origin]]:
    found: dict[str, list[Origin]] = {}
    for origin in traced.origins:
        found.setdefault(origin.attribute, []).append(origin)
    return found


def _picture(traced: Traced, attribute: str, origins: Sequence[Origin]) -> str:
    fields: dict[str, list[str]] = {}
    for origin in origins:
        heading = f"stripe.{origin.object}" if origin.is_of_stripe else origin.object or "not followed"
        fields.setdefault(heading, []).append(origin.path if origin.object else origin.lost)
    tables = {heading: list(dict.fromkeys(paths)) for heading, paths in sorted(fields.items())}
    through = _through(origins)
    return "\n\n".join(
        part
        for part in (
            f"### {escaped(attribute)}",
            escaped(_meaning(traced, attribute)),
            as_markdown(draw_attribute(attribute, tables), f"Which Stripe fields feed {escaped(attribute)}"),
            f"Through {through}." if through else "",
        )
        if part
    )


def _through(origins: Iterable[Origin]) -> str:
    return ", ".join(dict.fromkeys(escaped(step) for origin in origins for step in origin.through))
