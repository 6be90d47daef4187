"""From Stripe field to Customer.io attribute, as data for those whose Dagster shows it and as a picture for everybody.

Dagster's open-source UI stores column lineage and does not show it. So it is also drawn, in the metadata of
`model/people` and of `customerio/people`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from stripe_cio_pipeline.orchestration.drawings import Link, as_markdown, draw_lineage
from stripe_cio_pipeline.orchestration.metadata import markdown, table
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.policy import Policy


@dataclass(frozen=True, slots=True)
class Origin:
    """A Stripe field that feeds an attribute, and the columns on the way."""

    attribute: str
    object: str
    field: str
    through: tuple[str, ...]


def origins(policy: Policy) -> tuple[Origin, ...]:
    """Trace every attribute of people.sql back to Stripe. Raises ModelError where the SQL is wrong."""
    from stripe_cio_pipeline.model import lineage

    return tuple(
        Origin(attribute, source.table.removeprefix("stripe."), source.field, tuple(source.through))
        for attribute, sources in lineage(policy).items()
        for source in sources
    )


def people_lineage(names: Names, found: Iterable[Origin]) -> dg.TableColumnLineage:
    """Give the lineage of `model/people`: attribute from Stripe field."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    # A field may feed an attribute by several ways; as an edge it counts once.
    for attribute, kind, field in dict.fromkeys((origin.attribute, origin.object, origin.field) for origin in found):
        deps.setdefault(attribute, []).append(
            dg.TableColumnDep(asset_key=names.asset("stripe", kind), column_name=field)
        )
    return dg.TableColumnLineage(deps_by_column=deps)


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
        sources.setdefault(origin.attribute, []).append(f"{origin.object}.{origin.field}")
    return {name: "from " + ", ".join(dict.fromkeys(fields)) for name, fields in sources.items()}


def fields_read(found: Iterable[Origin], name: str) -> tuple[dg.TableColumn, ...]:
    """Give the payload fields of one Stripe object that attributes are made of, as columns that lineage can point at."""
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


def drawn(found: Iterable[Origin]) -> dg.MetadataValue:
    """Draw the whole way as a picture, and write it as a table below."""
    kept = tuple(found)
    links = dict.fromkeys(Link(f"stripe.{origin.object}", origin.field, origin.attribute) for origin in kept)
    picture = draw_lineage(tuple(links))
    rows: dict[str, tuple[list[str], list[str]]] = {}
    for origin in kept:
        fields, through = rows.setdefault(origin.attribute, ([], []))
        fields.append(f"`stripe.{origin.object}` → `{origin.field}`")
        through.extend(f"`{step}`" for step in origin.through)
    return markdown(
        as_markdown(picture, "Which Stripe fields feed which Customer.io attribute"),
        table(
            ("Customer.io attribute", "through", "Stripe fields"),
            (
                (f"**{name}**", ", ".join(dict.fromkeys(through)), ", ".join(dict.fromkeys(fields)))
                for name, (fields, through) in rows.items()
            ),
            longest_cell=4_000,
        ),
    )
