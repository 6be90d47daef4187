"""`explain` and `lineage`: where a person's values, and an attribute, come from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import typer

from stripe_cio_pipeline.cli.live import working
from stripe_cio_pipeline.cli.output import Lines, Output, many, moment, readable
from stripe_cio_pipeline.cli.output import attribute as shown
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Wait, open_session
from stripe_cio_pipeline.deliver.explain import Explanation
from stripe_cio_pipeline.deliver.explain import explain as find_explanation
from stripe_cio_pipeline.model import ColumnSource
from stripe_cio_pipeline.model.trace import lineage as trace
from stripe_cio_pipeline.plan import REASONS
from stripe_cio_pipeline.policy import load_policy
from stripe_cio_pipeline.settings import load_settings

_CAUSES = {
    "event": ", because of {event}",
    "models": ", because the models changed",
    "day": ", because the day turned by which the models compute",
    "drift": ", because it was changed in Customer.io",
    "retry": ", because it was tried again",
}
_MOST_CHANGES = 12
#: Events, and writes, that are shown of a long history.
_LATEST = 10


def explain(
    person: Annotated[
        str,
        typer.Argument(metavar="PERSON", help="A Stripe customer id (cus_...), an email or an event id (evt_...)."),
    ],
    whole: Annotated[
        bool, typer.Option("--all", help="Show every event and write, with every attribute; else the latest.")
    ] = False,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Show the history of one person: Stripe events, decisions, writes, outcomes, runs."""
    session = open_session(as_json=as_json, wait=wait)
    with working(session.output, "Reading the warehouse"), session.warehouse.reading() as connection:
        found = find_explanation(connection, person)
    show_explanation(session.output, found, whole=whole)
    session.output.result(found)


def show_explanation(output: Output, found: Explanation, *, whole: bool) -> None:
    """Show the history of a person, oldest first. Of a long one only the latest, unless `whole`."""
    output.say(f"{found.person_id}: {found.state or 'not in Customer.io yet'}", "bold")
    if found.state_reason:
        output.say(f"  {REASONS.get(found.state_reason, found.state_reason)}")
    if len(found.customers) > 1:
        output.say(f"  Stripe customers with this email: {', '.join(found.customers)}")
    if found.linked_at:
        output.say(f"  linked {readable(found.linked_at)}; Customer.io has {len(found.attributes)} attributes")
    events, writes = found.stripe_events, found.writes
    output.say(
        f"  {many(len(events), 'event')} at Stripe, {many(len(writes), 'write')} to Customer.io, "
        f"{many(len(found.planned), 'item')} planned"
    )
    if events:
        shown_events = events if whole else events[-_LATEST:]
        output.table(
            f"What happened at Stripe (Stripe's clock{_earlier(len(events) - len(shown_events))})",
            ("when", "event", "id"),
            ((moment(each.created), each.type, each.event_id) for each in shown_events),
            obvious=("event", "id"),
        )
    shown_writes = writes if whole else writes[-_LATEST:]
    if writes:
        earlier = _earlier(len(writes) - len(shown_writes))
        output.say(f"What was sent, and what became of it (this machine's clock{earlier})", "bold")
    for write in shown_writes:
        outcome = write.outcome if write.detail is None else f"{write.outcome}: {write.detail}"
        cause = _CAUSES[write.cause].format(event=write.event_id or write.source_event_id) if write.cause else ""
        output.say(f"{readable(write.sent_at)}  {write.action} ({write.reason}){cause}", hangs=True)
        output.say(f"  {outcome}, run {write.run_id}", "dim")
        for line in _changes(write.before, write.after, most=None if whole else _MOST_CHANGES):
            output.say(f"  {line}")
    for rejected in found.rejections:
        output.bad(
            f"rejected since {readable(rejected.first_at)}: {rejected.action} {rejected.event_id or ''} "
            f"{rejected.field or ''} {rejected.reason} {rejected.message or ''}"
        )
    for finding in found.findings:
        output.say(f"! read back {readable(finding.verified_at)}: {finding.finding} {finding.field or ''}", "yellow")
    for planned in found.planned:
        output.say(f"next: {planned.action} ({planned.reason}) {planned.explanation or ''}")


def _earlier(number: int) -> str:
    return f"; {number:,} earlier with --all" if number else ""


def _changes(before: Mapping[str, object], after: Mapping[str, object], *, most: int | None) -> list[str]:
    changed = [
        f"{name}: {shown(before.get(name), name)} → {shown(after.get(name), name)}"
        for name in sorted({*before, *after})
    ]
    shown_changes = changed[:most]
    rest = len(changed) - len(shown_changes)
    return shown_changes + ([f"and {rest} more (--all shows them)"] if rest else [])


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
            obvious=("Stripe fields",),
        )
    output.result({"attributes": found})


def _ways(sources: Iterable[ColumnSource]) -> Iterator[tuple[str, str | Lines, str]]:
    """Put together what takes the same way through the models. `--json` has every column on the way."""
    ways: dict[tuple[str, str], list[str]] = {}
    for source in sources:
        *models, last = [step.removeprefix("model.") for step in source.through] or [""]
        steps = [*dict.fromkeys(step.partition(".")[0] for step in models), last]
        if source.lost:
            yield "?", _lost(source), " → ".join(steps)
            continue
        ways.setdefault((source.table, " → ".join(steps)), []).append(source.field)
    for (table, steps_shown), fields in sorted(ways.items()):
        yield table.removeprefix("stripe."), Lines(_shorten(fields)), steps_shown


def _lost(source: ColumnSource) -> str:
    return f"cannot be followed at {source.lost}"


def _shorten(fields: Iterable[str]) -> Iterator[str]:
    """Write fields of one parent as `parent.{one, another}`."""
    leaves: dict[str, dict[str, None]] = {}
    for field in fields:
        parent, _, leaf = field.rpartition(".")
        leaves.setdefault(parent, {})[leaf] = None
    for parent, names in leaves.items():
        if not parent:
            yield from names
        else:
            yield f"{parent}.{next(iter(names)) if len(names) == 1 else '{' + ', '.join(names) + '}'}"


def _fields(sources: Iterable[ColumnSource]) -> Lines:
    fields: dict[str, dict[str, None]] = {}
    lost: dict[str, None] = {}
    for source in sources:
        if source.lost:
            lost[_lost(source)] = None
        else:
            fields.setdefault(source.table.removeprefix("stripe."), {})[source.field] = None
    told = [f"{table}: {', '.join(names)}" for table, names in fields.items()]
    return Lines([*told, *lost] or ["nothing from Stripe"])
