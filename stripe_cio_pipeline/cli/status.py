"""`status`: what the warehouse knows. It reads only the warehouse and calls nobody."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stripe_cio_pipeline import extract
from stripe_cio_pipeline.cli.live import working
from stripe_cio_pipeline.cli.output import Output, duration, many, moment, readable
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Wait, open_session
from stripe_cio_pipeline.listening.inbox import Contents, Inbox
from stripe_cio_pipeline.plan import Plan, current_plan, remedy
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.cli.sql")

#: Cursors that move only once Stripe has answered; planning and computing have some of their own.
_MOVED_BY_STRIPE = ("events", "history.")
#: Dagster's UI names a run by so many characters of its id. `--json` has all of them.
_OF_AN_ID = 8

#: Events in the inbox go within seconds, unless something keeps them there.
_LONG_WAIT_SECONDS = 60.0

#: What a state in the ledger means for somebody who looks at it for the first time.
_STATES = {
    "linking": "accepted; goes on once the link is confirmed",
    "linked": "in Customer.io with the Stripe id",
    "conflict": "identifier refused; stripe-cio explain PERSON says why",
    "held": "not sent; stripe-cio explain PERSON says why",
    "deleted": "deleted in Customer.io",
    "suppressed": "Customer.io ignores them, and so do we",
}


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What webhooks brought, how much the polls found that none had brought, and what is in the inbox now."""

    brought: int
    found_by_polls: int
    seconds_waiting: float | None
    inbox: Contents


@dataclass(frozen=True, slots=True)
class Status:
    """The state of everything. Times ending in `_at` are UTC by this machine; `newest` is by Stripe's clock."""

    bindings: dict[str, str]
    objects: list[dict[str, Any]]
    cursors: list[dict[str, Any]]
    watermark: datetime | None
    seconds_since_look: float | None
    reads: extract.ReadBudget
    people: dict[str, int]
    not_found: int
    links_are_seen: bool
    left_out: dict[str, int]
    events: dict[str, int]
    rejections: list[dict[str, Any]]
    due: list[dict[str, Any]]
    plan: Plan | None
    customerio_24h: dict[str, Any]
    runs: list[dict[str, Any]]
    webhooks: Webhooks | None = None


def status(as_json: Json = False, wait: Wait = LOCK_WAIT_SECONDS) -> None:
    """Show cursors, freshness, the ledger, rejected people and the read allocation."""
    session = open_session(as_json=as_json, wait=wait)
    with working(session.output, "Reading the warehouse"), session.warehouse.reading() as connection:
        found = read_status(
            connection,
            session.policy,
            links_are_seen=session.settings.customerio_app_api_key is not None,
            now=time.time(),
        )
    found = replace(found, webhooks=read_webhooks(session.settings.home, found, time.time()))
    show_status(session.output, found)
    session.output.result(found)


def read_status(connection: Connection, policy: Policy, *, links_are_seen: bool, now: float) -> Status:
    """Gather the state. `links_are_seen`: there is a key to look with. `now` is unix seconds by this machine."""
    cursors = _rows(connection, "status_cursors")
    of_stripe = (cursor["moved_at"] for cursor in cursors if str(cursor["name"]).startswith(_MOVED_BY_STRIPE))
    looked = max(of_stripe, default=None)
    names = sorted(("events", *(kind.name for kind in extract.OBJECTS)))
    objects = [row for name in names for row in _rows(connection, "status_object", name, f"stripe.{name}")]
    newest = max((row["newest"] for row in objects if row["newest"] is not None), default=None)
    for row in objects:
        row["newest"] = moment(row["newest"])
    return Status(
        bindings={str(row["name"]): str(row["value"]) for row in _rows(connection, "status_bindings")},
        objects=objects,
        cursors=cursors,
        watermark=moment(newest),
        seconds_since_look=None if looked is None else max(0.0, now - looked.replace(tzinfo=UTC).timestamp()),
        reads=extract.read_budget(connection, policy),
        people={str(row["state"]): int(row["people"]) for row in _rows(connection, "status_people")},
        not_found=int(_rows(connection, "status_not_found")[0]["people"]),
        links_are_seen=links_are_seen,
        left_out={str(row["reason"]): int(row["people"]) for row in _left_out(connection)},
        events={str(row["state"]): int(row["events"]) for row in _rows(connection, "status_events")},
        rejections=_rows(connection, "status_rejections"),
        due=_rows(connection, "status_plan"),
        plan=current_plan(connection),
        customerio_24h=_rows(connection, "status_requests", datetime.fromtimestamp(now, UTC).replace(tzinfo=None))[0],
        runs=_rows(connection, "status_runs"),
    )


def read_webhooks(home: Path, found: Status, now: float) -> Webhooks | None:
    """Look into the inbox of `stripe-cio listen`; None where nothing ever listened here."""
    inbox = Inbox.under(home)
    if not inbox.exists:
        return None
    contents = inbox.look()
    inbox.close()
    known = {str(cursor["name"]): str(cursor["value"]) for cursor in found.cursors}
    waits = None if contents.oldest_at is None else max(0.0, now - contents.oldest_at)
    return Webhooks(int(known.get(extract.BROUGHT, 0)), int(known.get(extract.FOUND, 0)), waits, contents)


def show_webhooks(output: Output, found: Webhooks) -> None:
    """Say what webhooks brought, and what waits or was left out."""
    output.say(
        f"Webhooks have brought {many(found.brought, 'event')}; polls have found {found.found_by_polls:,} more since."
    )
    if found.seconds_waiting is not None:
        output.say(
            f"{many(found.inbox.waiting, 'event')} in the inbox, the oldest for {duration(found.seconds_waiting)}.",
            "yellow" if found.seconds_waiting > _LONG_WAIT_SECONDS else "",
        )
    for each in found.inbox.elsewhere:
        whose = f"of {each.account or 'no named account'}" if each.why == "elsewhere" else "without their object (v2)"
        mode = {True: " in live mode", False: " in test mode", None: ""}[each.livemode]
        output.say(f"! Webhooks: {many(each.events, 'event')} {whose}{mode}, accepted and left out.", "yellow")


def show_status(output: Output, found: Status) -> None:
    """Write the state for people."""
    account = found.bindings.get("stripe.account", "not bound yet")
    workspace = found.bindings.get("customerio.environment_id", "not bound yet")
    mode = {"true": "live mode", "false": "test mode"}.get(found.bindings.get("stripe.livemode", ""), "")
    output.say(f"Stripe account {account} {mode} → Customer.io workspace {workspace}".replace("  ", " "), "bold")
    if found.watermark is None:
        output.say(
            "Nothing has been read from Stripe yet: stripe-cio check says whether it can be, stripe-cio sync does it."
        )
    else:
        output.say(f"Newest change known: {readable(found.watermark)} by Stripe's clock.")
    if found.seconds_since_look is not None:
        output.say(f"Stripe was last asked {duration(found.seconds_since_look)} ago.")
    if found.webhooks is not None:
        show_webhooks(output, found.webhooks)
    reads = found.reads
    output.say(
        f"Read allocation: {reads.used_30_days:,} of {reads.allotted:,} used in 30 days. The next 30 days take "
        f"{reads.projected:,}: {reads.makeup}."
    )
    if reads.warning:
        output.say(f"! {reads.warning}", "yellow")
    output.table(
        "Stripe",
        ("object", "rows", "deleted", "newest", "history read"),
        (
            (
                row["object"],
                row["live"],
                row["deleted"],
                row["newest"],
                _history(row),
            )
            for row in found.objects
        ),
        numbers=("rows", "deleted"),
    )
    if found.people:
        people = ((state, count, _STATES.get(state, "")) for state, count in found.people.items())
        output.table(
            "People in Customer.io", ("state", "people", "meaning"), people, numbers=("people",), obvious=("meaning",)
        )
    else:
        output.say(
            "Nobody was sent to Customer.io yet. Look with stripe-cio sync --dry-run, send with stripe-cio sync."
        )
    if found.not_found:
        output.say(
            f"! {found.not_found:,} of them were not found when they were last looked for. That is believed only if it "
            "lasts for identity.missing_after_hours.",
            "yellow",
        )
    if not found.links_are_seen:
        output.say(
            "! Without CUSTOMERIO_APP_API_KEY people count as linked once accepted and settled; nobody looks whether "
            "they are there.",
            "yellow",
        )
    if found.left_out:
        output.table(
            "Known without it, because it is not taken (stripe-cio retry tries again what Customer.io refused)",
            ("reason", "people"),
            found.left_out.items(),
            numbers=("people",),
        )
    output.table("Events", ("state", "events"), found.events.items(), numbers=("events",))
    if found.plan is not None and found.plan.guard.stopped:
        output.say(f"! A guard stopped the plan. {remedy(found.plan)}", "yellow")
    if found.runs:
        output.table(
            "Latest runs",
            ("began", "what", "took", "outcome", "run"),
            (
                (
                    row["started_at"],
                    row["kind"],
                    _took(row),
                    row["outcome"] or "not finished",
                    str(row["run_id"])[:_OF_AN_ID],
                )
                for row in found.runs
            ),
            obvious=("what", "outcome"),
        )
    if found.due:
        output.table(
            "Planned and not delivered",
            ("action", "reason", "items"),
            ((row["action"], row["reason"], row["items"]) for row in found.due),
            numbers=("items",),
        )
    if found.rejections:
        output.table(
            "Rejected (stripe-cio explain PERSON tells more, stripe-cio retry queues them for another try)",
            ("reason", "field", "items", "tries", "last", "for example"),
            (
                (row["reason"], row["field"], row["items"], row["attempts"], row["last_at"], row["examples"])
                for row in found.rejections
            ),
            numbers=("items", "tries"),
        )
    else:
        output.good("Nothing is rejected.")


def _took(row: dict[str, Any]) -> str | None:
    ended = row["finished_at"]
    return None if ended is None else duration((ended - row["started_at"]).total_seconds())


def _left_out(connection: Connection) -> list[dict[str, Any]]:
    """Count emails and phones that are not sent. Before the first model nobody has any."""
    refused = _rows(connection, "status_refused_values")
    is_modelled = connection.execute(_SQL["status_has_members"]).fetchone()
    return refused + (_rows(connection, "status_unusable_emails") if is_modelled else [])


def _history(row: dict[str, Any]) -> str:
    """Say how far an object type's history is. Events have none: they are followed from the first run on."""
    match row["history"]:
        case "finished":
            return "complete"
        case "listing":
            return f"{row['rows_listed']:,} rows so far"
        case _:
            return "" if row["object"] == "events" else "not begun"


def _rows(connection: Connection, statement: str, *parameters: object) -> list[dict[str, Any]]:
    answer = connection.execute(_SQL[statement], list(parameters))
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
