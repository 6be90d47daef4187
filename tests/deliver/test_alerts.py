"""Somebody is told when things go wrong, and when they are well again, and not in between."""

import base64
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import ClassVar

import httpx
import pytest

from stripe_cio_pipeline.deliver import (
    AlertReport,
    Backlog,
    DeliveryReport,
    raise_alerts,
    raise_stale_alert,
    try_channels,
)
from stripe_cio_pipeline.errors import CustomerioUnavailable, GuardStop
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse

NOW = 1_800_000_000.0
WELL = DeliveryReport("plan", planned=1, accepted=1)


class Heard:
    """A channel that remembers, and fails on demand."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.is_down = False

    def __call__(self, title: str, text: str) -> None:
        if self.is_down:
            raise OSError("unreachable")
        self.texts.append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def after(
    warehouse: Warehouse,
    heard: Heard,
    *,
    error: BaseException | None = None,
    report: DeliveryReport | None = None,
    policy: Policy | None = None,
    backlog: Backlog | None = None,
) -> AlertReport:
    return raise_alerts(
        warehouse,
        Settings(_env_file=None),  # type: ignore[call-arg]
        policy or Policy(),
        run_id="run-1",
        error=error,
        report=report,
        backlog=backlog,
        now=lambda: NOW,
        channels={"heard": heard},
    )


def at_a_tick(
    warehouse: Warehouse, heard: Heard, backlog: Backlog | None, *, minutes: int = 0, policy: Policy | None = None
) -> AlertReport:
    return raise_stale_alert(
        warehouse,
        Settings(_env_file=None),  # type: ignore[call-arg]
        policy or Policy(),
        backlog=backlog,
        now=lambda: NOW + minutes * 60,
        channels={"heard": heard},
    )


def test_a_failure_is_told_once_and_so_is_the_recovery(warehouse: Warehouse, heard: Heard) -> None:
    down = CustomerioUnavailable("Customer.io gave no answer.", "Look at its status page.")

    assert after(warehouse, heard, error=down).told == ("run",)
    assert after(warehouse, heard, error=down).told == ()
    assert after(warehouse, heard, report=WELL).told == ("run",)
    assert after(warehouse, heard, report=WELL).told == ()
    assert ["needs you" in text for text in heard.texts] == [True, False]
    assert "Look at its status page." in heard.texts[0]


def test_a_guard_stop_is_its_own_subject(warehouse: Warehouse, heard: Heard) -> None:
    assert after(warehouse, heard, error=GuardStop("Plan p changes 500 people.", "Approve it.")).told == ("guard",)
    assert after(warehouse, heard, report=WELL).told == ("guard",)


def test_rejections_are_told_above_the_threshold_only(warehouse: Warehouse, heard: Heard) -> None:
    policy = parse_policy({"alerts": {"max_rejected": 2}})
    few = DeliveryReport("plan", planned=2, rejected=2)
    many = DeliveryReport("plan", planned=3, rejected=3)

    assert after(warehouse, heard, report=few, policy=policy).told == ()
    assert after(warehouse, heard, report=many, policy=policy).told == ("rejections",)


def test_what_is_left_due_is_a_failure(warehouse: Warehouse, heard: Heard) -> None:
    assert after(warehouse, heard, report=DeliveryReport("plan", planned=3, due=3)).told == ("run",)


def test_an_unreachable_channel_is_tried_again_with_the_next_run(warehouse: Warehouse, heard: Heard) -> None:
    heard.is_down = True
    report = after(warehouse, heard, error=ValueError("holds customer-1@example.com"))
    assert (report.told, report.failed) == ((), ("heard",))

    heard.is_down = False
    assert after(warehouse, heard, error=ValueError("holds customer-1@example.com")).told == ("run",)
    assert "example.com" not in heard.texts[0]


def test_a_stale_pipeline_is_told_and_a_pipeline_that_never_ran_is_not(warehouse: Warehouse, heard: Heard) -> None:
    def at(now: float) -> AlertReport:
        settings = Settings(_env_file=None)  # type: ignore[call-arg]
        return raise_stale_alert(warehouse, settings, Policy(), now=lambda: now, channels={"heard": heard})

    assert at(1_800_000_000).told == ()
    with warehouse.transaction() as connection:
        connection.execute(
            "insert into pipeline.runs (run_id, kind, started_at, finished_at, outcome)"
            " select 'r', 'sync', make_timestamp(1800000000000000), make_timestamp(1800000000000000), 'done'"
        )
    assert at(1_800_000_000 + 100 * 60).told == ()
    assert at(1_800_000_000 + 181 * 60).told == ("stale",)
    assert at(1_800_000_000 + 200 * 60).told == ()
    with warehouse.transaction() as connection:
        connection.execute("update pipeline.runs set finished_at = make_timestamp(1800012060000000)")
    assert at(1_800_000_000 + 202 * 60).told == ("stale",)


def test_events_that_wait_for_long_are_told_once_whoever_sees_it_and_so_is_their_end(
    warehouse: Warehouse, heard: Heard
) -> None:
    with warehouse.connect():
        pass
    waiting = Backlog(1_204, NOW - 60)

    assert at_a_tick(warehouse, heard, waiting, minutes=179).told == ()
    assert at_a_tick(warehouse, heard, waiting, minutes=180).told == ("webhooks",)
    assert at_a_tick(warehouse, heard, waiting, minutes=240).told == ()
    longer = Backlog(1_300, waiting.oldest_at and waiting.oldest_at - 4 * 3_600)
    assert after(warehouse, heard, report=WELL, backlog=longer).told == ()
    assert after(warehouse, heard, report=WELL, backlog=Backlog(0, None)).told == ("webhooks",)
    assert at_a_tick(warehouse, heard, Backlog(5, NOW - 1)).told == ()

    bad, good = heard.texts
    assert bad.splitlines() == [
        "stripe-cio: the webhook inbox needs you",
        "1,204 webhook events have waited, the oldest for 181 minutes; alerts.stale_minutes is 180.",
        "See docs/operations.md, section 'Webhook events wait'.",
    ]
    assert good.splitlines() == ["stripe-cio: the webhook inbox is well again", "Run run-1."]


def test_a_sync_tells_of_what_waits_however_it_ends(warehouse: Warehouse, heard: Heard) -> None:
    waiting = Backlog(1, NOW - 11 * 60)
    policy = parse_policy({"alerts": {"stale_minutes": 10}})
    down = CustomerioUnavailable("Customer.io gave no answer.", "Look at its status page.")

    assert after(warehouse, heard, error=down, backlog=waiting, policy=policy).told == ("run", "webhooks")
    assert after(warehouse, heard, report=WELL, backlog=waiting, policy=policy).told == ("run",)
    assert "1 webhook event has waited for 11 minutes; alerts.stale_minutes is 10." in heard.texts[0]


def test_an_inbox_that_cannot_be_read_is_neither_bad_nor_well_again(warehouse: Warehouse, heard: Heard) -> None:
    assert after(warehouse, heard, report=WELL, backlog=None).told == ()
    assert after(warehouse, heard, report=WELL, backlog=Backlog(1, NOW - 86_400)).told == ("webhooks",)
    assert after(warehouse, heard, report=WELL, backlog=None).told == ()
    assert at_a_tick(warehouse, heard, None).told == ()
    assert len(heard.texts) == 1


def test_where_there_is_no_warehouse_a_tick_tells_nothing_and_makes_none(tmp_path: Path, heard: Heard) -> None:
    nowhere = Warehouse(tmp_path / "none.duckdb")
    assert at_a_tick(nowhere, heard, Backlog(1, NOW - 86_400)) == AlertReport()
    assert not nowhere.exists


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", bodies
        server.shutdown()


@pytest.fixture
def mail_server() -> Iterator[tuple[str, list[str]]]:
    lines: list[str] = []

    class Session(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            is_data = False
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                lines.append(line)
                if is_data:
                    is_data = line != "."
                    if not is_data:
                        self.wfile.write(b"250 taken\r\n")
                elif line.upper() == "DATA":
                    is_data = True
                    self.wfile.write(b"354 go on\r\n")
                elif line == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 well\r\n")

    with TCPServer(("127.0.0.1", 0), Session) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", lines
        server.shutdown()


def test_the_webhook_gets_what_slack_takes_and_the_mail_server_a_mail(
    warehouse: Warehouse,
    webhook: tuple[str, list[bytes]],
    mail_server: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPE_CIO_ALERT_WEBHOOK", webhook[0])
    monkeypatch.setenv("STRIPE_CIO_SMTP_URL", mail_server[0])
    policy = parse_policy({"alerts": {"mail_to": ["on-call@example.com"], "mail_from": "pipeline@example.com"}})

    report = raise_alerts(
        warehouse, Settings(), policy, run_id="run-9", error=GuardStop("Plan p is large.", "Approve it.")
    )

    assert report == AlertReport(told=("guard",))
    (body,) = webhook[1]
    assert json.loads(body)["text"].startswith("stripe-cio: the guard needs you")
    assert "Subject: stripe-cio: the guard needs you" in mail_server[1]
    assert any(line.upper().startswith("RCPT TO:<ON-CALL@EXAMPLE.COM>") for line in mail_server[1])


# Passwords and certificates.

PASSWORD = "open-sesame"


class _Mail(StreamRequestHandler):
    """A mail server that takes everything, offers TLS where it has a certificate, and notes what it hears."""

    certificate: ssl.SSLContext | None = None
    offers_tls = False
    heard: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.say("220 ready")
        self.talk()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def talk(self) -> None:
        is_data = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            self.heard.append(line)
            if is_data:
                is_data = line != "."
                if not is_data:
                    self.say("250 taken")
            elif line.upper() == "DATA":
                is_data = True
                self.say("354 go on")
            elif line.upper().startswith("EHLO"):
                self.say("250-here" + ("\r\n250-STARTTLS" if self.offers_tls else "") + "\r\n250 AUTH PLAIN LOGIN")
            elif line.upper() == "STARTTLS" and self.certificate is not None:
                self.say("220 go on")
                try:
                    self.connection = self.certificate.wrap_socket(self.connection, server_side=True)
                except OSError:
                    return
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
                self.talk()
                return
            elif line.upper() == "QUIT":
                self.say("221 bye")
                return
            elif line.upper().startswith("AUTH"):
                self.say("235 welcome")
            else:
                self.say("250 well")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[Callable[..., tuple[str, list[str]]]]:
    """Start a mail server that calls itself by a name, and give its address with a password, and what it hears."""
    with ExitStack() as running:

        def start(host: str, *, tls: bool) -> tuple[str, list[str]]:
            handler = type("Mail", (_Mail,), {"heard": [], "offers_tls": tls})
            if tls:
                handler.certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                handler.certificate.load_cert_chain(*self_signed(tmp_path))
            server = running.enter_context(ThreadingTCPServer(("127.0.0.1", 0), handler))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            running.callback(server.shutdown)
            return f"smtp://me:{PASSWORD}@{host}:{server.server_address[1]}", handler.heard

        yield start


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, made for this test."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def sent(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("STRIPE_CIO_SMTP_URL", url)
    return try_channels(Settings(), parse_policy({"alerts": {"mail_to": ["on-call@example.com"]}}))


def auth(heard: list[str]) -> list[str]:
    secret = base64.b64encode(f"\0me\0{PASSWORD}".encode()).decode()
    return [line for line in heard if line.startswith("AUTH") or secret in line or PASSWORD in line]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_no_password_is_given_under_a_certificate_that_nobody_vouches_for(
    mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, heard = mails("localhost", tls=True)

    told = sent(url, monkeypatch)

    assert "certificate cannot be verified" in told["mail"]
    assert "STARTTLS" in heard
    assert auth(heard) == []
    assert PASSWORD not in str(told)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_password_is_given_under_a_certificate_that_is_trusted(
    mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, heard = mails("localhost", tls=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))

    assert sent(url, monkeypatch) == {"mail": ""}
    assert len(auth(heard)) == 1


def test_no_password_is_given_without_tls(mails, monkeypatch: pytest.MonkeyPatch) -> None:
    url, heard = mails("mail.example", tls=False)
    # The name leads to this machine, and is none of its own.
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))

    told = sent(url, monkeypatch)

    assert told == {"mail": "the server offers no TLS, and a password is not given without"}
    assert auth(heard) == []


def test_this_machine_itself_is_trusted(mails, monkeypatch: pytest.MonkeyPatch) -> None:
    url, heard = mails("127.0.0.1", tls=False)

    assert sent(url, monkeypatch) == {"mail": ""}
    assert len(auth(heard)) == 1


@pytest.mark.parametrize("wrong", [ValueError("port"), RuntimeError("x"), httpx.InvalidURL("x"), UnicodeError("x")])
def test_an_alert_changes_no_outcome(warehouse: Warehouse, wrong: Exception) -> None:
    def broken(title: str, text: str) -> None:
        raise wrong

    report = raise_alerts(
        warehouse,
        Settings(),
        Policy(),
        run_id="run-1",
        error=GuardStop("Plan p is large."),
        channels={"broken": broken},
    )

    assert report == AlertReport((), ("broken",))


def test_a_warehouse_that_cannot_be_used_changes_no_outcome_either(tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_text("no database")

    report = raise_alerts(
        Warehouse(tmp_path / "w.duckdb"), Settings(), Policy(), run_id="run-1", error=GuardStop("Plan p is large.")
    )

    assert report == AlertReport((), ("alerts",))
