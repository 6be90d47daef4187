"""Everything that can go wrong between a caller and Customer.io, on demand."""

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest

from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.sandbox.server import respond_drip


def test_a_request_can_be_limited_with_and_without_retry_after(served, workspace, identify):
    workspace.faults.at(1, Fault.rate_limited(retry_after=3))
    workspace.faults.at(2, Fault.rate_limited())
    answers = [served.batch(identify(id="cus_1")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["3", None, None]


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_an_error_accepts_nothing(served, workspace, identify, status):
    workspace.faults.next(Fault.error(status))
    assert served.batch(identify(id="cus_1")).status_code == status
    assert workspace.people() == []
    assert workspace.counters[f"POST /api/v2/batch {status}"] == 1


def test_a_reset_before_reading_accepts_nothing(served, workspace, identify):
    workspace.faults.next(Fault.reset_before())
    with pytest.raises(httpx.TransportError):
        served.batch(identify(id="cus_1"))
    assert workspace.people() == []
    assert served.batch(identify(id="cus_2")).status_code == 200


def test_a_reset_after_accepting_has_accepted_everything(served, workspace, identify):
    workspace.faults.next(Fault.reset_after())
    with pytest.raises(httpx.TransportError):
        served.batch(identify(id="cus_1"), identify(id="cus_2"))
    assert [person.id for person in workspace.people()] == ["cus_1", "cus_2"]


def test_after_such_a_reset_a_retried_event_is_one_mail_with_a_ulid_and_two_without(served, workspace, event):
    ulid = "01HQ3V6T7YJ8K9M0N1P2Q3R4S5"
    for name, event_id in (("with", ulid), ("without", None)):
        sent = event(name, id="cus_1", event_id=event_id, timestamp=1_800_000_000)
        workspace.faults.next(Fault.reset_after())
        with pytest.raises(httpx.TransportError):
            served.batch(sent)
        served.batch(sent)
    assert {mail.event.name: mail.times for mail in workspace.mails()} == {"with": 1, "without": 2}


def test_an_answer_can_break_off_or_be_cut(served, workspace, identify):
    workspace.faults.next(Fault.reset_mid_body())
    with pytest.raises(httpx.TransportError):
        served.batch({"type": "?"})
    workspace.faults.next(Fault.truncated())
    answer = served.batch(identify(id="cus_1"))
    assert (answer.status_code, answer.content) == (200, b"{")
    workspace.faults.next(Fault.not_a_list())
    assert served.app.get("/v1/activities").json() == "ok"


def test_a_slow_answer_is_right_but_late(served, workspace, identify):
    workspace.faults.next(Fault.slow(0.05))
    began = time.monotonic()
    assert served.batch(identify(id="cus_1")).status_code == 200
    assert time.monotonic() - began >= 0.05


def test_an_answer_can_come_a_byte_at_a_time(served, workspace, identify):
    workspace.faults.next(Fault.drip(0.001), count=2)
    for client, method, path in ((served.track, "POST", "/api/v2/batch"), (served.app, "GET", "/v1/activities")):
        with client.stream(method, path, json={"batch": [identify(id="cus_1")]}) as answer:
            body = b"".join(answer.iter_raw())
        assert (answer.status_code, len(body)) == (200, int(answer.headers["content-length"]))
    assert [person.id for person in workspace.people()] == ["cus_1"]


def test_a_dripping_answer_leaves_a_byte_at_a_time():
    """Asked of the server itself: on the way to a client bytes may gather again."""
    sent: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])

    async def drip() -> None:
        reader, writer = socket.socketpair()
        with reader:
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=writer)
            await respond_drip({"sandbox.transport": transport}, send, 200, b"{}\n", seconds=0)
            transport.close()

    asyncio.run(drip())
    assert sent == [b"{", b"}", b"\n", b""]


def test_whoever_gives_up_on_such_an_answer_finds_the_server_well(served, workspace, identify):
    workspace.faults.next(Fault.drip(0.2))
    with served.track.stream("POST", "/api/v2/batch", json={"batch": [identify(id="cus_1")]}) as answer:
        assert answer.status_code == 200
    assert served.batch(identify(id="cus_2")).status_code == 200
    assert [person.id for person in workspace.people()] == ["cus_1", "cus_2"]


def test_an_outage_lasts_an_hour_of_the_clock(served, workspace, identify, clock):
    workspace.faults.during(3600, Fault.error(503))
    clock.advance(minutes=59)
    assert [served.batch(identify(id="cus_1")).status_code, served.app.get("/v1/activities").status_code] == [503, 503]
    clock.advance(minutes=1)
    assert served.batch(identify(id="cus_1")).status_code == 200


def test_for_a_while_everything_is_refused_and_nothing_is_named(served, workspace, identify, machine):
    workspace.faults.during(600, Fault.error(400), path="/api/v2/")
    for answer in (served.batch(identify(id="cus_1")), served.track.post("/api/v2/entity", json=identify(id="cus_1"))):
        assert answer.status_code == 400
        assert [set(error) for error in answer.json()["errors"]] == [{"reason", "message"}]
    assert served.track.put("/api/v1/customers/cus_2", json={}).status_code == 200
    machine.now += 600
    assert served.batch(identify(id="cus_1")).status_code == 200


def test_latency_holds_every_answer_back(served, workspace):
    workspace.switches.latency_seconds = 0.03
    for client, path in ((served.track, "/api/v1/accounts/region"), (served.app, "/v1/activities")):
        began = time.monotonic()
        assert client.get(path).status_code == 200
        assert time.monotonic() - began >= 0.03


def test_chosen_people_are_refused_once(served, workspace, identify):
    workspace.faults.next(Fault.reject(people=["cus_2"], message="not today"))
    operations = [identify(id="cus_1"), identify(id="cus_2")]
    answer = served.batch(*operations)
    assert answer.status_code == 207
    assert [(error["batch_index"], error["message"]) for error in answer.json()["errors"]] == [(1, "not today")]
    assert served.batch(*operations).status_code == 200


def test_faults_can_be_a_share_of_all_requests(served, workspace, identify):
    workspace.faults.rate(0.5, Fault.error(503))
    statuses = [served.batch(identify(id="cus_1")).status_code for _ in range(40)]
    assert 5 < statuses.count(503) < 35


def test_an_acceptor_can_fail_too(served, workspace, identify):
    workspace.switches.acceptor_only = True
    workspace.faults.next(Fault.error(503))
    assert served.batch(identify(id="cus_1")).status_code == 503
