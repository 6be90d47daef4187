"""The commands by which a person steps in: `retry`, `reconcile`, `verify`, `forget`, `tidy`."""

import os
import sys
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from stripe_cio_pipeline import deliver, extract
from stripe_cio_pipeline.cli.live import ProgressBars, working
from stripe_cio_pipeline.cli.output import Output, duration, many, plain
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Session, Wait, open_session
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.warehouse import Turn


def retry(
    people: Annotated[
        list[str] | None,
        typer.Argument(metavar="PERSON", help="Stripe customer ids; without any, everybody who was rejected."),
    ] = None,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Queue rejected items for another try. The next sync sends them."""
    session = open_session(as_json=as_json, wait=wait)
    with session.warehouse.reading():
        pass  # a warehouse that is not there is told, not made
    count = deliver.retry(session.warehouse, people or ())
    if count:
        session.output.good(f"{count:,} rejected items are queued for another try. Send them: stripe-cio sync.")
    else:
        session.output.say("None of these is rejected. stripe-cio status lists what is.")
    session.output.result({"due_again": count})


def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare and tell, but repair nothing.")] = False,
    read_by_id: Annotated[
        int,
        typer.Option(
            "--read-by-id",
            min=0,
            metavar="N",
            help="Read so many objects of a type by id without a question, where Stripe's list leaves them open.",
        ),
    ] = extract.MOST_BY_ID,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Compare everything with Stripe, repair what differs, and prove it by counts and hashes month by month."""
    session = open_session(as_json=as_json, wait=wait)
    with ProgressBars(session.output) as bars:
        bars.begin("Comparing with Stripe")
        report = extract.reconcile(
            session.warehouse,
            session.settings,
            session.policy,
            run_id=f"reconcile-{uuid4()}",
            dry_run=dry_run,
            most_by_id=read_by_id,
            may_read=lambda name, number: _ask(session.output, bars, name, number),
            progress=bars.note,
        )
    show_reconcile(session.output, report)
    exit_code = 1 if report.failures or not (report.whole or dry_run) else 0
    session.output.result({**_plain(report), "exit_code": exit_code})
    raise typer.Exit(exit_code)


def _ask(output: Output, bars: ProgressBars, name: str, number: int) -> bool:
    """Ask whoever sits there; nobody does where the answer is JSON or standard input is no terminal."""
    if output.as_json or not sys.stdin.isatty():
        return False
    bars.clear()
    agreed = typer.confirm(f"{number:,} {name} are to be read by id, with as many requests. Go on?", err=True)
    bars.begin("Comparing with Stripe")
    return agreed


def show_reconcile(output: Output, report: extract.ReconcileReport) -> None:
    """Show whether anything differs, then what did and what was done about it."""
    if report.whole:
        output.good("The warehouse holds exactly what Stripe lists.")
    elif report.dry_run:
        output.say("! The warehouse differs from Stripe. Nothing was repaired (dry run).", "yellow")
    else:
        output.bad("The warehouse still differs from Stripe. Run it again, or look at what is said below.")
    output.table(
        f"Compared with Stripe: {many(report.requests, 'request')}, {duration(report.seconds)}",
        ("object", "in Stripe", "stored", "missing", "changed", "vanished", "only delayed", "repaired", "proof"),
        (
            (
                each.name,
                each.stripe_rows,
                each.before_rows,
                each.missing,
                each.changed,
                each.vanished,
                each.explained,
                each.repaired,
                f"{many(len(each.months), 'month')} equal" if each.whole else "differs",
            )
            for each in report.objects
        ),
        numbers=("in Stripe", "stored", "missing", "changed", "vanished", "only delayed", "repaired"),
        always=("in Stripe", "stored"),
    )
    for warning in report.warnings:
        output.say(f"! {warning}", "yellow")
    for failure in report.failures:
        output.bad(f"{failure.object}: {failure.what} {failure.advice}".strip())
    for unread in report.unread:
        output.bad(f"{unread.what} {unread.advice}")


def _plain(report: extract.ReconcileReport) -> dict[str, object]:
    names = ("objects", "requests", "seconds", "dry_run", "clean", "whole", "warnings", "failures", "unread")
    return {name: getattr(report, name) for name in names}


def verify(
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="Read this many people back; without it, all.")
    ] = None,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Read people back from Customer.io's App API and compare. The next sync sends drift again."""
    session = open_session(as_json=as_json, wait=wait)
    with session.warehouse.reading():
        pass  # there is nothing to compare with before the first sync
    with working(session.output, "Reading people back"):
        report = deliver.verify(
            session.warehouse, session.settings, session.policy, run_id=f"verify-{uuid4()}", sample=sample
        )
    show_verify(session.output, report)
    session.output.result(report)


def show_verify(output: Output, report: deliver.VerifyReport) -> None:
    """Show what reading back has found, and what follows from it."""
    if report.skipped:
        output.say(f"! {report.skipped}", "yellow")
        return
    if report.checked == report.matched:
        output.good("Everybody who was compared matches.")
    else:
        output.say(f"! {report.checked - report.matched:,} of {report.checked:,} people do not match.", "yellow")
    output.table(
        f"Read back from Customer.io: {many(report.requests, 'request')}, {duration(report.seconds)}",
        ("compared", "matches", "drifted", "not found", "deleted there", "not linked", "refused changes"),
        [
            (
                report.checked,
                report.matched,
                report.drifted,
                report.missed,
                report.missing,
                report.not_linked,
                sum(report.conflicts.values()),
            )
        ],
        numbers=("compared", "matches", "drifted", "not found", "deleted there", "not linked", "refused changes"),
        always=("compared", "matches"),
    )
    for name, people in report.drifted_attributes.items():
        output.say(f"! {name} drifted for {people:,} people; the next sync sends it again", "yellow")
    for finding, examples in report.examples.items():
        output.say(f"! {finding}: {', '.join(examples)} (stripe-cio explain tells more)", "yellow")
    if report.returned:
        output.say(f"! {report.returned:,} people were missing and are there again.", "yellow")
    if report.missed:
        output.say(f"! {report.missed:,} people were not found. That is believed only if it lasts for hours.", "yellow")


def forget(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="A Stripe customer id (cus_...) or an email.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. It cannot be undone.")] = False,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Delete and suppress a person in Customer.io, and erase the local copy, except for ids."""
    session = open_session(as_json=as_json, wait=wait)
    with session.warehouse.reading():
        pass  # nobody is known before the first sync
    if not yes:
        _agree_to_forget(session, person)
    inbox = Inbox.under(session.settings.home)
    # A delivery under way could still send what it had planned for this person.
    with Turn(session.warehouse, "stripe-cio forget", tell=session.output.say):
        report = deliver.forget(
            session.warehouse,
            session.settings,
            session.policy,
            person,
            run_id=f"forget-{uuid4()}",
            # An event that waits in the inbox would otherwise be read, and emptied, only once it is stored.
            elsewhere=lambda whom: inbox.erase((*whom.customers, *whom.emails)),
        )
    inbox.close()
    there = (
        "is deleted and suppressed in Customer.io"
        if report.suppressed
        else "was never told to Customer.io, so nothing was sent there"
    )
    session.output.good(
        f"{report.person_id} {there}. {report.writes:,} former writes and all else that was kept here are emptied. "
        "What Stripe has stays there: delete the customer in Stripe."
    )
    session.output.result(report)


def _agree_to_forget(session: Session, person: str) -> None:
    """Say who is meant and what goes, and ask. A name that nobody has is told before anything is asked."""
    found = deliver.look_for(session.warehouse, session.policy, person)
    who = many(found.customers, "Stripe customer") if found.customers else "a guest without a customer"
    session.output.say(f"{found.person_id} is {who} with {many(found.emails, 'email')}.", "bold")
    session.output.say(
        "In Customer.io the profile is deleted and suppressed: nobody can write to it again."
        if found.addresses
        else "Customer.io was never told of them, so nothing is sent there."
    )
    session.output.say("Here all that was stored of them is erased, except for the id. Stripe keeps what it has.")
    if not typer.confirm("It cannot be undone. Go on?", err=True):
        raise typer.Abort


def tidy(as_json: Json = False, wait: Wait = LOCK_WAIT_SECONDS) -> None:
    """Delete what is older than the policy's retention and no longer needed, and shrink the warehouse file."""
    session = open_session(as_json=as_json, wait=wait)
    with session.warehouse.reading():
        pass  # nothing is kept before the first sync
    with working(session.output, "Deleting old data"):
        with Turn(session.warehouse, "stripe-cio tidy", tell=session.output.say):
            report = deliver.tidy(session.warehouse, session.policy)
        inbox = Inbox.under(session.settings.home)
        inbox.tidy()
        inbox.close()
        taken, runs = report.taken, _tidy_dagster(session)
    session.output.good(
        f"{taken.operations:,} former writes, {taken.requests:,} calls, {taken.events_deleted:,} events and {runs:,} "
        f"runs of Dagster's are gone, and {taken.events_emptied:,} events that were sent lost their data. The "
        f"warehouse has {report.bytes_after / 1e6:,.1f} MB, and had {report.bytes_before / 1e6:,.1f} MB."
    )
    session.output.result({**plain(report), "dagster_runs": runs})


def _tidy_dagster(session: Session) -> int:
    """Delete old runs of Dagster's, where it has recorded any here, and give their number."""
    home = Path(os.environ.get("DAGSTER_HOME") or session.settings.home.absolute() / "dagster")
    if not (home / "dagster.yaml").exists():
        return 0
    from stripe_cio_pipeline.orchestration.names import Names
    from stripe_cio_pipeline.orchestration.run import recorder
    from stripe_cio_pipeline.orchestration.tidying import tidy_runs

    with recorder(home, session.output.say) as instance:
        days = session.policy.retention.dagster_days
        return 0 if instance is None else tidy_runs(instance, Names(), days)
