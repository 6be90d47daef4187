"""Telling somebody when a run goes wrong, or right again: on a change of state, not on every run.

The state is kept in the warehouse. A message names subjects, counts and what to do; never a person, a key or a payload.
"""

import smtplib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Literal
from urllib.parse import unquote, urlsplit

import httpx

from stripe_cio_pipeline.deliver.delivery import DeliveryReport
from stripe_cio_pipeline.errors import GuardStop
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, replace

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
_SECONDS = 10.0
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

Subject = Literal["run", "guard", "rejections", "stale", "webhooks"]
State = Literal["bad", "good"]
#: Gives a text to somebody; raises OSError or httpx.HTTPError where that fails.
Channel = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Situation:
    """How a subject stands now, and what an engineer should know: one or two sentences."""

    subject: Subject
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many events of webhooks wait for the warehouse, and since when the oldest does (unix seconds)."""

    events: int
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class AlertReport:
    """`told` are the subjects whose change was told, `failed` the channels that could not be reached."""

    told: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def raise_alerts(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    error: BaseException | None = None,
    report: DeliveryReport | None = None,
    backlog: Backlog | None = None,
    now: Callable[[], float] = time.time,
    channels: dict[str, Channel] | None = None,
) -> AlertReport:
    """Tell what changed with a run that ended: with `error`, or well, with what its delivery reports.

    `backlog` is what waits of webhooks; None where that is not known, and then nothing is said of it.
    A failing channel never fails the run: the change is told again next time. Nothing that goes wrong here is raised,
    because a run stays what it was. `channels` replaces the webhook and the mail that the settings name.
    """
    try:
        with warehouse.connect() as connection:
            known = _known(connection)
        found = [*situations(policy, error, report), *_of_webhooks(policy, backlog, now())]
        return _tell(warehouse, settings, policy, found, known, run_id=run_id, now=now, channels=channels)
    except Exception:  # whatever it is, the run's own outcome is the one to tell
        return AlertReport((), ("alerts",))


def raise_stale_alert(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str | None = None,
    backlog: Backlog | None = None,
    now: Callable[[], float] = time.time,
    channels: dict[str, Channel] | None = None,
) -> AlertReport:
    """Tell when no sync has finished for `alerts.stale_minutes`, or a webhook's event has waited for so long.

    Call it from outside of runs: a schedule, cron. `backlog` is as in `raise_alerts`.
    """
    if not warehouse.exists:
        return AlertReport()
    # The sensor asks at every tick: the file is opened once, and for reading.
    with warehouse.reading() as connection:
        ((finished,),) = connection.execute(_SQL["last_finished_sync"]).fetchall()
        known = _known(connection)
    found = _of_webhooks(policy, backlog, now())
    if finished is not None:
        minutes = (now() - float(finished)) / 60
        limit = policy.alerts.stale_minutes
        detail = f"The last sync finished {minutes:.0f} minutes ago; alerts.stale_minutes is {limit}."
        found.append(Situation("stale", "bad" if minutes > limit else "good", detail))
    return _tell(warehouse, settings, policy, found, known, run_id=run_id, now=now, channels=channels)


def situations(policy: Policy, error: BaseException | None, report: DeliveryReport | None) -> list[Situation]:
    """Say how each subject stands after a run. Pure."""
    found = []
    if isinstance(error, GuardStop):
        found.append(Situation("guard", "bad", str(error)))
    elif error is not None:
        # An error that is not ours may hold anything, a payload among it: only its kind is told.
        ours = str(error) if hasattr(error, "advice") else f"It failed with {type(error).__name__}; see the run's log."
        found.append(Situation("run", "bad", ours))
    elif report is not None and report.due:
        found.append(
            Situation("run", "bad", f"{report.due} of {report.planned} items were left due. {report.problem or ''}")
        )
    else:
        found += [Situation("run", "good"), Situation("guard", "good")]
    if report is not None:
        limit = policy.alerts.max_rejected
        many = report.rejected > limit
        detail = f"Customer.io rejected {report.rejected} items in this run; alerts.max_rejected is {limit}."
        found.append(Situation("rejections", "bad" if many else "good", detail if many else ""))
    return found


def _of_webhooks(policy: Policy, backlog: Backlog | None, now: float) -> list[Situation]:
    """Say how the inbox of webhooks stands, where that is known. Pure."""
    if backlog is None:
        return []
    minutes = 0.0 if backlog.oldest_at is None else (now - backlog.oldest_at) / 60
    limit = policy.alerts.stale_minutes
    if minutes <= limit:
        return [Situation("webhooks", "good")]
    many = f"{backlog.events:,} webhook events have waited, the oldest"
    waited = "1 webhook event has waited" if backlog.events == 1 else many
    detail = f"{waited} for {minutes:.0f} minutes; alerts.stale_minutes is {limit}."
    return [Situation("webhooks", "bad", detail)]


def _known(connection: Connection) -> dict[Subject, State]:
    """Give how each subject stood when it was told last."""
    return dict(connection.execute(_SQL["read_alerts"]).fetchall())


def _tell(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    now_so: Sequence[Situation],
    known: Mapping[Subject, State],
    *,
    run_id: str | None,
    now: Callable[[], float],
    channels: dict[str, Channel] | None,
) -> AlertReport:
    """Tell those situations that are another than last time (`known`), and remember what was told."""
    changed = [one for one in now_so if known.get(one.subject, "good") != one.state]
    if not changed:
        return AlertReport()
    reached = _channels(settings, policy) if channels is None else channels
    title = "stripe-cio: " + ", ".join(f"{_TITLES[one.subject]} {_WORDS[one.state]}" for one in changed)
    text = "\n".join([title, *(one.detail for one in changed if one.detail), *_advice(changed), *_run(run_id)])
    failed = []
    for name, channel in reached.items():
        try:
            channel(title, text)
        except Exception:  # also what an address raises that no library expected
            failed.append(name)
    if reached and len(failed) == len(reached):
        return AlertReport((), tuple(failed))
    moment = datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)
    with warehouse.transaction() as connection:
        rows = [
            {
                "subject": one.subject,
                "state": one.state,
                "detail": one.detail or None,
                "since": moment,
                "told_at": moment if reached else None,
                "run_id": run_id,
            }
            for one in changed
        ]
        replace(connection, "pipeline.alerts", ["subject"], rows)
    return AlertReport(tuple(one.subject for one in changed), tuple(failed))


def try_channels(settings: Settings, policy: Policy) -> dict[str, str]:
    """Send a test alert each way that is set up, and give what went wrong by its name: nothing where it was taken."""
    found: dict[str, str] = {}
    for name, channel in _channels(settings, policy).items():
        try:
            channel("stripe-cio: a test alert", "stripe-cio: a test alert, sent by stripe-cio check --alerts.")
        except httpx.HTTPStatusError as refused:
            found[name] = f"it answers with {refused.response.status_code}"
        except ssl.SSLCertVerificationError as refused:
            found[name] = f"its certificate cannot be verified ({refused.verify_message})"
        except smtplib.SMTPNotSupportedError as refused:
            found[name] = str(refused)
        except smtplib.SMTPResponseException as refused:
            found[name] = f"it answers with {refused.smtp_code}"
        except Exception as refused:  # an address or a password may stand in its words
            found[name] = f"it cannot be reached ({type(refused).__name__})"
        else:
            found[name] = ""
    return found


_TITLES: dict[Subject, str] = {
    "run": "the sync",
    "guard": "the guard",
    "rejections": "rejections",
    "stale": "freshness",
    "webhooks": "the webhook inbox",
}
_WORDS: dict[State, str] = {"bad": "needs you", "good": "is well again"}
_NEXT: dict[Subject, str] = {
    "run": "See docs/operations.md, section 'The sync failed'.",
    "guard": "See docs/operations.md, section 'The guard stopped a plan'.",
    "rejections": "See docs/operations.md, section 'Customer.io rejects items'.",
    "stale": "See docs/operations.md, section 'The pipeline is stale'.",
    "webhooks": "See docs/operations.md, section 'Webhook events wait'.",
}


def _advice(changed: Sequence[Situation]) -> list[str]:
    return [_NEXT[one.subject] for one in changed if one.state == "bad"]


def _run(run_id: str | None) -> list[str]:
    return [f"Run {run_id}."] if run_id else []


def _channels(settings: Settings, policy: Policy) -> dict[str, Channel]:
    found: dict[str, Channel] = {}
    if settings.alert_webhook is not None:
        address = settings.alert_webhook.get_secret_value()
        found["webhook"] = lambda _title, text: post(address, text)
    if settings.smtp_url is not None and policy.alerts.mail_to:
        url = settings.smtp_url.get_secret_value()
        found["mail"] = lambda title, text: mail(url, policy, title, text)
    return found


def post(address: str, text: str) -> None:
    """Give a text to a webhook in the form that Slack takes: `{"text": "..."}`."""
    httpx.post(address, json={"text": text}, timeout=_SECONDS).raise_for_status()


def mail(url: str, policy: Policy, title: str, text: str) -> None:
    """Send a mail by `smtp://user:password@host:port`; `smtps://` speaks TLS from the start, `smtp://` when offered.

    Certificates are verified against the system's. A password is given under TLS only, or to this machine itself.
    Raises OSError (of which ssl's and smtplib's errors are kinds) where the mail was not taken.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    trusted = ssl.create_default_context()
    message = EmailMessage()
    message["Subject"] = title
    message["From"] = policy.alerts.mail_from or policy.alerts.mail_to[0]
    message["To"] = ", ".join(policy.alerts.mail_to)
    message.set_content(text)
    is_secret = parts.scheme == "smtps"
    if is_secret:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_SECONDS, context=trusted)
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=_SECONDS)
    with server:
        if not is_secret and server.ehlo()[0] == 250 and server.has_extn("starttls"):
            server.starttls(context=trusted)
            is_secret = True
        if parts.username:
            if not is_secret and host not in _THIS_MACHINE:
                raise smtplib.SMTPNotSupportedError("the server offers no TLS, and a password is not given without")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
