"""`backfill-events`: Stripe events from before the installation, forwarded when somebody asks for it."""

import time
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer

from stripe_cio_pipeline.cli.live import ProgressBars
from stripe_cio_pipeline.cli.reports import show, show_plan, show_rows
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Limit, Session, Wait, open_session
from stripe_cio_pipeline.deliver import deliver, look_at_links
from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.extract import OlderEvents, fetch_older_events
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.plan import make_plan, preview
from stripe_cio_pipeline.warehouse import Statements, Turn

_SQL = Statements("stripe_cio_pipeline.cli.sql")


def backfill_events(
    since: Annotated[
        datetime,
        typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Send events from then on (UTC)."),
    ],
    send: Annotated[bool, typer.Option("--send", help="Send them. Without it, only tell what would be sent.")] = False,
    limit: Limit = 20,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Forward Stripe events from before the moment of installation, or of a type that was not forwarded until now.

    What Stripe still has of them (30 days) is fetched first.
    """
    session = open_session(as_json=as_json, wait=wait)
    if _moment(since) > time.time():
        raise SettingsError(
            f"--since {since:%Y-%m-%dT%H:%M:%S} is in the future: there are no events from then on.",
            "Name a moment that has passed, in UTC.",
        )
    output = session.output
    run_id = f"backfill-{uuid4()}"
    with ProgressBars(output) as bars:
        bars.begin("Reading older events")
        fetched = fetch_older_events(
            session.warehouse,
            session.settings,
            session.policy,
            run_id=run_id,
            since=_moment(since),
            progress=bars.note,
        )
    if fetched.events:
        output.say(f"{fetched.events:,} events were fetched from Stripe ({fetched.requests} requests).")
    if fetched.incomplete:
        output.say(
            "! Stripe keeps events for 30 days: what is older can be sent only as far as it was stored.", "yellow"
        )
    with Turn(session.warehouse, "stripe-cio backfill-events", tell=output.say):
        _forward(session, fetched, since=since, send=send, limit=limit, run_id=run_id)


def _forward(session: Session, fetched: OlderEvents, *, since: datetime, send: bool, limit: int, run_id: str) -> None:
    output, moment = session.output, _moment(since)
    build(session.warehouse, session.policy, run_id=run_id)
    look_at_links(session.warehouse, session.settings, session.policy, run_id=run_id)
    seen = session.settings.customerio_app_api_key is not None
    found = preview(session.warehouse, session.policy, limit=None, events_since=moment, links_are_seen=seen)
    events = [row for row in found.rows if row.action == "event"]
    with session.warehouse.reading() as connection:
        ids = [row.event_id for row in events]
        counted = connection.execute(_SQL["backfill_too_old"], {"events": ids, "now": int(time.time())}).fetchone()
    old = int(counted[0]) if counted else 0
    show_plan(output, found.plan)
    show_rows(output, events[:limit])
    output.say(f"{len(events):,} events since {since:%Y-%m-%d %H:%M} UTC have not been sent.")
    if old:
        output.say(
            f"! {old:,} of them are more than 72 hours old. Customer.io records them, and they count in segments, "
            "but they start no campaign.",
            "yellow",
        )
    summary = {
        "events": len(events),
        "fetched": fetched.events,
        "incomplete": fetched.incomplete,
        "too_old_for_campaigns": old,
        "since": since,
        "sent": False,
    }
    if not send:
        output.say("Nothing was sent. Send them, and everything else that is due: the same command with --send.")
        output.result(summary)
        return
    made = make_plan(session.warehouse, session.policy, run_id=run_id, events_since=moment, links_are_seen=seen)
    with ProgressBars(output) as bars:
        bars.begin("Sending to Customer.io")
        report = deliver(
            session.warehouse,
            session.settings,
            session.policy,
            run_id=run_id,
            plan_id=made.plan_id,
            approve=True,
            progress=bars.note,
        )
    show(output, report)
    if made.counts.waiting_events:
        output.say(f"{made.counts.waiting_events:,} events wait until their people are linked; run this again later.")
    output.result({**summary, "sent": True, "delivery": report})
    report.raise_if_due()


def _moment(since: datetime) -> float:
    return since.replace(tzinfo=UTC).timestamp()
