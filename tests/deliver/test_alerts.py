"""Somebody is told when things go wrong, and when they are well again, and not in between."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, TCPServer

import pytest

from stripe_cio_pipeline.deliver import AlertReport, DeliveryReport, raise_alerts, raise_stale_alert
from stripe_cio_pipeline.errors import CustomerioUnavailable, GuardStop
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse

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
) -> AlertReport:
    return raise_alerts(
        warehouse,
        Settings(_env_file=None),  # type: ignore[call-arg]
        policy or Policy(),
        run_id="run-1",
        error=error,
        report=report,
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
