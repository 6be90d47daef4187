"""How the rooms' reports look on the terminal, and as the object that `sync --json` gives."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stripe_cio_pipeline.cli.output import Output, attribute, duration, many
from stripe_cio_pipeline.deliver import DeliveryReport, LinksReport
from stripe_cio_pipeline.extract import ExtractReport
from stripe_cio_pipeline.model import ModelReport
from stripe_cio_pipeline.plan import REASONS, SKIPPED, Plan, Preview, PreviewRow

#: A summary fits on a screen: so many lines of a table of counts, so many attributes of one person.
_MOST_COUNTS = 10
_MOST_ATTRIBUTES = 8


@dataclass(slots=True)
class Reports:
    """What the rooms have reported in one run so far. A run that fails has the first of them."""

    extract: ExtractReport | None = None
    model: ModelReport | None = None
    plan: Plan | None = None
    preview: Preview | None = None
    delivery: DeliveryReport | None = None

    def take(self, report: Any) -> None:
        """Keep a report of any room."""
        match report:
            case ExtractReport():
                self.extract = report
            case ModelReport():
                self.model = report
            case Preview():
                self.preview = report
            case Plan():
                self.plan = report
            case DeliveryReport():
                self.delivery = report

    @property
    def planned(self) -> Plan | None:
        """The plan, also where it was only looked at."""
        return self.plan or (self.preview.plan if self.preview else None)

    @property
    def left_undone(self) -> list[str]:
        """What this run should have done and did not, in sentences."""
        found = [
            f"{failure.object}: {failure.what} {failure.advice}".strip()
            for failure in (self.extract.failures if self.extract else ())
        ]
        if self.extract is not None:
            found += [f"{unread.what} {unread.advice}" for unread in self.extract.unread]
        if self.delivery is not None and self.delivery.due:
            found.append(
                f"{self.delivery.due:,} items are pending. {self.delivery.problem or ''} Run stripe-cio sync again."
            )
        return found

    def summary(self) -> dict[str, Any]:
        """Give the numbers of the run; the names are a contract."""
        extract, plan, delivery = self.extract, self.planned, self.delivery
        counts = plan.counts if plan else None
        return {
            "stripe": {
                "requests": extract.requests if extract else 0,
                "objects": sum(each.read for each in extract.objects) if extract else 0,
                "events": extract.events if extract else 0,
                "throttled": extract.throttled if extract else 0,
                "lag_seconds": extract.lag_seconds if extract else None,
                "by_object": {each.name: each for each in extract.objects} if extract else {},
                "warnings": extract.warnings if extract else (),
                "failures": extract.failures if extract else (),
                "unread": extract.unread if extract else (),
            },
            "model": {
                "people": self.model.people if self.model else 0,
                "changed": self.model.changed if self.model else 0,
                "findings": self.model.findings if self.model else (),
            },
            "plan": {
                "id": plan.plan_id if plan else None,
                **{
                    name: getattr(counts, name) if counts else 0
                    for name in (
                        "identify",
                        "update",
                        "delete",
                        "suppress",
                        "merge",
                        "hold",
                        "event",
                        "keep",
                        "waiting",
                        "rejected",
                        "skipped_events",
                    )
                },
                "by_reason": plan.by_reason if plan else {},
                "by_attribute": plan.by_attribute if plan else {},
                "guard": plan.guard if plan else None,
            },
            "customerio": {
                "requests": delivery.requests if delivery else 0,
                "accepted": delivery.accepted if delivery else 0,
                "rejected": delivery.rejected if delivery else 0,
                "due": delivery.due if delivery else 0,
                "by_action": delivery.by_action if delivery else {},
                "rejections_by_reason": delivery.rejections_by_reason if delivery else {},
            },
            "events": {
                "accepted": delivery.events_accepted if delivery else 0,
                "rejected": delivery.events_rejected if delivery else 0,
            },
        }


def show_extract(output: Output, report: ExtractReport) -> None:
    """Show what was read from Stripe."""
    title = (
        f"Read from Stripe: {many(report.requests, 'request')}, {many(report.events, 'new event')}, "
        f"{duration(report.seconds)}"
    )
    moved = [each for each in report.objects if each.read or each.added or each.changed or each.deleted]
    if moved:
        output.table(
            title,
            ("object", "read", "added", "changed", "deleted", "stored", "requests"),
            (
                (each.name, each.read, each.added, each.changed, each.deleted, each.rows_total, each.requests)
                for each in moved
            ),
            numbers=("read", "added", "changed", "deleted", "stored", "requests"),
        )
    else:
        output.say(f"{title}; nothing changed")
    for warning in report.warnings:
        output.say(f"! {warning}", "yellow")


def show_model(output: Output, report: ModelReport) -> None:
    """Show how many people were computed, and which limits of Customer.io were met."""
    scope = "everybody" if report.full else many(report.customers_changed, "changed customer")
    output.say(
        f"Computed: {report.changed:,} of {report.people:,} people were recomputed ({scope}), "
        f"{duration(report.seconds)}"
    )
    if report.day_turned:
        output.say(
            f"A new day (UTC) has begun, and {' and '.join(report.dated)} uses the date: {report.written:,} people "
            "have other values than yesterday. Expect as many updates every day."
        )
    elif report.dated:
        output.say(f"{' and '.join(report.dated)} uses the date: everybody is recomputed once a day (UTC).")
    for finding in report.findings:
        output.say(
            f"! {finding.column}: {finding.limit}, {finding.action} for {finding.people:,} people. {finding.advice}",
            "yellow",
        )


def show_plan(output: Output, plan: Plan) -> None:
    """Show what is planned, and whether a guard stops it."""
    counts = plan.counts
    work = _told(
        ("to identify", counts.identify),
        ("to update", counts.update),
        ("to delete", counts.delete),
        ("to suppress", counts.suppress),
        ("to merge", counts.merge),
    )
    rest = _told(
        ("held back", counts.hold),
        ("waiting until their link is confirmed", counts.waiting),
        ("unchanged", counts.keep),
    )
    people = f"people: {work}" if work else "no people to write"
    beside = f" ({rest})" if rest else ""
    output.say(f"Planned: {people}{beside}; {many(counts.event, 'event')} to send, {duration(plan.seconds)}")
    for reason in SKIPPED if counts.skipped_events else ():
        if number := plan.by_reason.get(reason):
            output.say(f"{many(number, 'event')} not forwarded ({reason}): {REASONS[reason]}", "dim")
    for finding in plan.guard.findings:
        approved = " (approved)" if plan.guard.approved else ""
        output.say(f"! guard {finding.rule}: {finding.message}{approved}", "yellow")


def _told(*counted: tuple[str, int]) -> str:
    """Write counts with their words, without those that are zero."""
    return ", ".join(f"{number:,} {words}" for words, number in counted if number)


def show_preview(output: Output, found: Preview) -> None:
    """Show what would be sent: the counts, why, which attributes, and then some people and events one by one."""
    show_plan(output, found.plan)
    _show_counts(output, "Why", "items", found.plan.by_reason)
    _show_counts(output, "Changed attributes", "people", found.plan.by_attribute)
    if found.rows:
        output.say()
        output.say(f"{many(len(found.rows), 'example')} (--limit N shows more; --json shows them whole)", "bold")
    show_rows(output, found.rows)


def _show_counts(output: Output, title: str, unit: str, counts: dict[str, int]) -> None:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if not ranked:
        return
    shown = ranked[:_MOST_COUNTS]
    if more := len(ranked) - len(shown):
        shown.append((f"and {more:,} more", sum(number for _, number in ranked[_MOST_COUNTS:])))
    output.table(title, ("", unit), shown, numbers=(unit,))


def show_delivery(output: Output, report: DeliveryReport) -> None:
    """Show what Customer.io took."""
    if not (report.requests or report.held or report.due):
        output.say("Nothing to send to Customer.io.")
        return
    output.say(
        f"Sent to Customer.io in {many(report.requests, 'request')}: {report.accepted:,} accepted "
        f"({report.events_accepted:,} of them events), {report.rejected:,} rejected, {report.held:,} held back, "
        f"{report.due:,} pending, {duration(report.seconds)}"
    )
    for reason, count in report.rejections_by_reason.items():
        output.say(f"! rejected: {count:,} × {reason}. stripe-cio status names the people.", "yellow")


def show_rows(output: Output, rows: Iterable[PreviewRow]) -> None:
    """Show single operations: why, and of each the first attributes before and after."""
    for row in rows:
        output.say(f"{row.action}  {row.person_id or row.event_id}  ({row.reason})", "bold", hangs=True)
        if row.explanation:
            output.say(f"  {row.explanation}")
        names = sorted({*row.before, *row.after})
        for name in names[:_MOST_ATTRIBUTES]:
            output.say(f"  {name}: {attribute(row.before.get(name), name)} → {attribute(row.after.get(name), name)}")
        if (more := len(names) - _MOST_ATTRIBUTES) > 0:
            output.say(f"  and {many(more, 'more attribute')}", "dim")


def show(output: Output, report: Any) -> None:
    """Show any room's report."""
    match report:
        case ExtractReport():
            show_extract(output, report)
        case ModelReport():
            show_model(output, report)
        case LinksReport(problem=str(problem)):
            output.say(f"! New links could not be checked, so they wait: {problem}", "yellow")
        case Preview():
            show_preview(output, report)
        case Plan():
            show_plan(output, report)
        case DeliveryReport():
            show_delivery(output, report)
