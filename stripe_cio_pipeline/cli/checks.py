"""`check`: proves one by one what a sync needs, and says what to do about each failure. It sends nothing."""

import email.utils
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import duckdb
import httpx
import typer

from stripe_cio_pipeline import deliver, extract
from stripe_cio_pipeline.cli.endpoints import look_at_endpoints
from stripe_cio_pipeline.cli.findings import Finding, show_findings
from stripe_cio_pipeline.cli.live import ProgressBars, working
from stripe_cio_pipeline.cli.output import Output, duration
from stripe_cio_pipeline.cli.session import Json
from stripe_cio_pipeline.deliver.workspace import ENVIRONMENT_BINDING, read_bindings
from stripe_cio_pipeline.errors import PipelineError, SettingsError
from stripe_cio_pipeline.model import check_models, compare_copies
from stripe_cio_pipeline.model.trace import lineage
from stripe_cio_pipeline.policy import FILE_NAME, Policy, load_policy
from stripe_cio_pipeline.settings import Settings, load_settings
from stripe_cio_pipeline.warehouse import Warehouse

#: With a clock that is further off, the settle time and the look into the activity log miss what they wait for.
MOST_SKEW_SECONDS = 60.0
_LOCK_WAIT_SECONDS = 3.0


def check(
    alerts: Annotated[bool, typer.Option("--alerts", help="Send a test alert too, each way that is set up.")] = False,
    whole: Annotated[bool, typer.Option("--all", help="Show each thing that was looked at.")] = False,
    as_json: Json = False,
) -> None:
    """Verify settings, keys, each permission, region, clock and warehouse; say what to do about each failure."""
    output = Output(as_json=as_json)
    with working(output, "Reading the settings") as bars:
        findings = list(_findings(bars, with_alerts=alerts))
    show_findings(output, findings, whole=whole)
    failed = [finding for finding in findings if finding.state == "failed"]
    exit_code = max((finding.exit_code for finding in failed), default=0)
    output.result({"ok": not failed, "checks": findings, "exit_code": exit_code})
    raise typer.Exit(exit_code)


def _findings(bars: ProgressBars, *, with_alerts: bool) -> Iterator[Finding]:
    try:
        settings = load_settings()
    except PipelineError as error:
        yield Finding.of("environment", error)
        return
    yield Finding("environment", "ok", "readable")
    try:
        policy = load_policy(settings.config)
    except PipelineError as error:
        yield Finding.of("policy", error)
        return
    file = settings.config or Path(FILE_NAME)
    yield Finding("policy", "ok", f"{file}" if file.exists() else "built-in defaults (no stripe_cio.yaml here)")
    bars.begin("Reading the models")
    yield from _models(policy)
    bars.begin("Asking Stripe")
    yield from _stripe(settings, policy)
    yield from look_at_endpoints(settings, policy)
    bars.begin("Asking Customer.io")
    yield from _customerio(settings)
    bars.begin("Comparing clocks")
    yield from _clocks(settings)
    bars.begin("Opening the warehouse")
    yield from _warehouse(settings, policy)
    yield from _files(settings)
    yield from _alerts(settings, policy, send=with_alerts)


def _files(settings: Settings) -> Iterator[Finding]:
    """Look whether anybody on this machine can read keys or people."""
    for path in (Path(".env"), settings.home, Path(settings.warehouse_location)):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        # A group may be meant, as on a volume of Kubernetes.
        if mode & 0o007:
            closed = "700" if path.is_dir() else "600"
            yield Finding(
                f"{path}",
                "failed",
                f"anybody on this machine may reach it (mode {mode & 0o777:03o})",
                f"It holds keys or people: chmod {closed} {path}",
                1,
            )


def _alerts(settings: Settings, policy: Policy, *, send: bool) -> Iterator[Finding]:
    if policy.alerts.mail_to and settings.smtp_url is None:
        yield Finding("alerts", "failed", "alerts.mail_to is set, and no mail server", "Set STRIPE_CIO_SMTP_URL.", 2)
    elif settings.smtp_url is not None and not policy.alerts.mail_to:
        yield Finding("alerts", "failed", "a mail server is set, and nobody to mail", "Set alerts.mail_to.", 2)
    if not send:
        return
    tried = deliver.try_channels(settings, policy)
    if not tried:
        advice = "Set STRIPE_CIO_ALERT_WEBHOOK, or STRIPE_CIO_SMTP_URL and alerts.mail_to."
        yield Finding("alerts", "failed", "nobody is told of anything", advice, 2)
    for name, problem in tried.items():
        if problem:
            yield Finding(f"{name} alert", "failed", problem, "Correct its address, or look at what is behind it.", 1)
        else:
            yield Finding(f"{name} alert", "ok", "a test alert was taken")


def _models(policy: Policy) -> Iterator[Finding]:
    try:
        report = check_models(policy)
    except PipelineError as error:
        yield Finding.of("models", error)
        return
    folder = policy.models.folder
    advice = ""
    if report.dated:
        advice = (
            f"{' and '.join(report.dated)} asks for the day: everybody is recomputed when it turns (UTC), and "
            "whoever comes out otherwise is sent again."
        )
    yield Finding("models", "ok", f"the SQL in {folder} fits" if folder else "built-in SQL", advice)
    for copy in compare_copies(folder) if folder else ():
        if copy.equal:
            said, what_to_do = (
                "equals the built-in one",
                "Delete it, unless you are about to edit it: upgrades reach it then.",
            )
        else:
            said = "is a copy of a built-in file that has changed since"
            what_to_do = "See what is new in the built-in one: stripe-cio init --all in an empty folder writes it."
        yield Finding(copy.where, "ok", said, what_to_do)


def _stripe(settings: Settings, policy: Policy) -> Iterator[Finding]:
    try:
        settings.require_stripe()
        own, *lists = extract.probe(settings, policy)
    except PipelineError as error:
        yield Finding.of("Stripe key", error)
        return
    if own.ok or any(found.ok for found in lists):
        yield Finding("Stripe key", "ok", "accepted")
    if own.ok:
        yield from _binding(settings, own.what)
    else:
        yield Finding("Stripe account", "failed", own.what, own.advice, own.exit_code)
    for found in lists:
        subject = f"Stripe {found.endpoint}"
        if found.ok:
            yield Finding(subject, "ok", found.what)
        elif found.needed:
            yield Finding(subject, "failed", found.what, found.advice, found.exit_code)
        else:
            yield Finding(subject, "skipped", found.what, f"{_what_is_not_known(policy, found.object)} {found.advice}")


def _binding(settings: Settings, account: str) -> Iterator[Finding]:
    """Hold the account that answered against the one that the warehouse belongs to."""
    try:
        warehouse = Warehouse(settings.warehouse_location, lock_wait_seconds=_LOCK_WAIT_SECONDS)
        is_bound = warehouse.exists and extract.check_account(warehouse, settings, account)
    except SettingsError as error:
        yield Finding.of("Stripe account", error)
    except PipelineError:
        # Whatever is wrong with the warehouse is told where that is looked at.
        yield Finding("Stripe account", "ok", account)
    else:
        what = "as at the first sync" if is_bound else "the first sync ties this warehouse to it"
        yield Finding("Stripe account", "ok", f"{account}, {what}")


def _what_is_not_known(policy: Policy, name: str) -> str:
    try:
        origins = lineage(policy)
    except PipelineError:
        return "All else is synced."  # what is wrong with the models is told where they are looked at
    attributes = [
        attribute
        for attribute, sources in origins.items()
        if any(source.table == f"stripe.{name}" for source in sources)
    ]
    known = f"Not known without it: {', '.join(attributes)}." if attributes else "No attribute is made of it."
    return f"All else is synced. {known}"


def _customerio(settings: Settings) -> Iterator[Finding]:
    try:
        settings.require_customerio()
        probed = deliver.probe(settings)
    except PipelineError as error:
        yield Finding.of("Customer.io credentials", error)
        return
    for found in probed:
        yield Finding(f"Customer.io {found.subject}", found.state, found.what, found.advice, found.exit_code)
    yield from _workspace(settings, probed)


def _workspace(settings: Settings, probed: Iterable[deliver.ProbeFinding]) -> Iterator[Finding]:
    """Hold the workspace that answered against the one that the warehouse belongs to."""
    try:
        warehouse = Warehouse(settings.warehouse_location, lock_wait_seconds=_LOCK_WAIT_SECONDS)
        if not warehouse.exists:
            return
        with warehouse.reading() as connection:
            bound = read_bindings(connection).get(ENVIRONMENT_BINDING)
    except (PipelineError, duckdb.CatalogException):
        return  # whatever is wrong with it is told where the warehouse is looked at
    answered = [found.what for found in probed if found.subject == "Track API" and found.state == "ok"]
    if bound and answered and f"workspace {bound}," not in answered[0]:
        yield Finding(
            "Customer.io workspace",
            "failed",
            f"this warehouse belongs to workspace {bound}, which these credentials are not for",
            "Set the credentials of that workspace, or begin a warehouse of its own with STRIPE_CIO_WAREHOUSE.",
            2,
        )


def _clocks(settings: Settings) -> Iterator[Finding]:
    """Compare clocks by the Date header of an answer to a request that reads nothing and costs nothing."""
    from_stripe, simulated = _skew(settings.stripe_api_base)
    from_customerio, _ = _skew(settings.customerio_track_url or "https://track.customer.io")
    if from_customerio is None:
        yield Finding("clock", "skipped", "Customer.io gave no time to compare with")
    elif abs(from_customerio) > MOST_SKEW_SECONDS:
        yield Finding(
            "clock",
            "failed",
            f"this machine's clock is {duration(abs(from_customerio))} off from Customer.io's",
            "Let this machine keep its time by NTP.",
            1,
        )
    else:
        yield Finding("clock", "ok", f"within {abs(from_customerio):.0f} s of Customer.io's")
    if from_stripe is None or abs(from_stripe) <= MOST_SKEW_SECONDS:
        return
    what = f"{duration(abs(from_stripe))} off from this machine's"
    if simulated or abs(from_stripe) <= extract.TOLERANCE_SECONDS:
        yield Finding("Stripe's clock", "ok", f"{what} (what concerns Stripe is measured by Stripe's)")
    else:
        advice = "Let this machine keep its time by NTP, and look for a proxy that changes dates."
        yield Finding("Stripe's clock", "failed", what, advice, 1)


def _skew(address: str) -> tuple[float | None, bool]:
    """Give how many seconds a server's clock is ahead, and whether it is one that is moved by hand."""
    try:
        answer = httpx.head(address, timeout=10)
        told = email.utils.parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None, False
    return told.timestamp() - time.time(), extract.SIMULATED in answer.headers


def _warehouse(settings: Settings, policy: Policy) -> Iterator[Finding]:
    try:
        warehouse = Warehouse(settings.warehouse_location, lock_wait_seconds=_LOCK_WAIT_SECONDS)
        was_there = warehouse.exists
        with warehouse.transaction() as connection:
            budget = extract.read_budget(connection, policy)
            missing = extract.still_missing(connection)
    except PipelineError as error:
        yield Finding.of("warehouse", error)
        return
    yield Finding("warehouse", "ok", f"{warehouse.location} can be written" + ("" if was_there else " (new)"))
    used = f"{budget.used_30_days:,} of {budget.allotted:,} reads used in 30 days, {budget.projected:,} in the next 30"
    note = f"{budget.makeup}. {budget.remedy}"
    if budget.share < 1:
        yield Finding("read allocation", "ok", used, budget.warning or "", note=note)
    else:
        yield Finding("read allocation", "failed", used, budget.warning or "", 1)
    if missing:
        what = f"this release reads more than what is stored: {', '.join(str(each) for each in missing)}"
        requests = sum(each.requests for each in missing)
        advice = f"The next syncs fetch it, a few requests in each: about {requests:,} in all. Nothing is loaded twice."
        yield Finding("upgrade", "ok", what, advice)
