"""The commands by which a person steps in: `retry`, `reconcile`, `verify`, `forget`, `backfill-events`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer

from stripe_cio_pipeline import deliver, extract, plan
from stripe_cio_pipeline.cli.output import moment
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Wait, open_session


def retry(
    people: Annotated[
        list[str] | None,
        typer.Argument(metavar="PERSON", help="Stripe customer ids; without any, everybody who was rejected."),
    ] = None,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Make rejected items due again. The next sync sends them."""
    session = open_session(as_json=as_json, wait=wait)
    with session.warehouse.reading():
        pass  # a warehouse that is not there is told, not made
    count = deliver.retry(session.warehouse, people or [])
    if count:
        session.output.good(f"{count:,} rejected items are due again. Send them: stripe-cio sync.")
    else:
        session.output.say("Nothing of that is rejected. stripe-cio status lists what is.")
    session.output.result({"due_again": count})
