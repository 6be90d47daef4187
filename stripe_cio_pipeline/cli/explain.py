"""`explain` and `lineage`: where a person's values, and an attribute, come from."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from stripe_cio_pipeline import deliver
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Wait, open_session
from stripe_cio_pipeline.model import ColumnSource
from stripe_cio_pipeline.model import lineage as trace
from stripe_cio_pipeline.policy import load_policy
from stripe_cio_pipeline.settings import load_settings


def explain(
    person: Annotated[
        str,
        typer.Argument(metavar="PERSON", help="A Stripe customer id (cus_...), an email or an event id (evt_...)."),
    ],
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Show the whole history of one person: Stripe events, decisions, writes, outcomes, runs."""
    session = open_session(as_json=as_json, wait=wait)
    with session.warehouse.reading() as connection:
        found = deliver.explain(connection, person)
    session.output.report(found)
    session.output.result(found)


def lineage(
    attribute: Annotated[
        str | None, typer.Argument(metavar="ATTRIBUTE", help="One attribute; without it, all of them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which Stripe fields feed which attribute, through which SQL. Needs no warehouse and no keys."""
    output = Output(as_json=as_json)
    found = trace(load_policy(load_settings().config), attribute)
    if attribute:
        output.table(
            f"What {attribute} is made of",
            ("Stripe object", "fields", "through"),
            _ways(found[attribute]),
        )
    else:
        output.table(
            "What attributes are made of (stripe-cio lineage ATTRIBUTE shows the way)",
            ("attribute", "Stripe fields"),
            ((name, _fields(sources)) for name, sources in found.items()),
        )
    output.result({"attributes": found})


def _ways(sources: Iterable[ColumnSource]) -> Iterator[tuple[str, str, str]]:
    """Put together what takes the same way through the models."""
    ways: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for source in sources:
        ways.setdefault((source.table, source.through), []).append(source.field)
    for (table, through), fields in sorted(ways.items()):
        steps = " → ".join(step.removeprefix("model.") for step in through)
        yield table.removeprefix("stripe."), "\n".join(dict.fromkeys(fields)), steps


def _fields(sources: Iterable[ColumnSource]) -> str:
    fields: dict[str, dict[str, None]] = {}
    for source in sources:
        fields.setdefault(source.table.removeprefix("stripe."), {})[source.field] = None
    return "\n".join(f"{table}: {', '.join(names)}" for table, names in fields.items()) or "nothing from Stripe"
