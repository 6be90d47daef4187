"""The door: whoever is Stripe gets a 2xx for what is on disk, and nobody else gets anything."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.listening import door as doors
from stripe_cio_pipeline.listening import serving
from stripe_cio_pipeline.listening.door import MOST_BODY_BYTES
from tests.listening.doors import SECRET, OpenDoor, body_of, event, open_door, sign, status

ARRIVAL_SECONDS = 1.0


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenDoor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "ARRIVAL_SECONDS", ARRIVAL_SECONDS)
        with open_door(tmp_path_factory.mktemp("door"), arrival_seconds=ARRIVAL_SECONDS) as opened:
            yield opened


@pytest.fixture
def door(open_one: OpenDoor) -> OpenDoor:
    """The door, with nothing in its inbox, and the first secret alone."""
    open_one.inbox.taken(open_one.stored())
    open_one.secrets[:] = [SECRET]
    return open_one


NUMBERS = iter(range(1, 10**6))


def fresh(**fields: Any) -> dict[str, Any]:
    return event(next(NUMBERS), **fields)


def test_an_event_of_stripes_is_on_disk_when_it_is_answered(door: OpenDoor) -> None:
    given = fresh()
    assert door.post(given) == 200
    (waiting,) = door.inbox.waiting(10)
    assert (waiting.id, waiting.created, waiting.body) == (given["id"], given["created"], body_of(given))


def test_the_same_event_comes_often_and_is_kept_once(door: OpenDoor) -> None:
    given = fresh()
    assert [door.post(given) for _ in range(4)] == [200] * 4
    door.inbox.taken([given["id"]])
    assert door.post(given) == 200
    assert door.stored() == []


BODY = body_of(event(999_999))


def forgeries(now: int) -> dict[str, tuple[bytes, bytes]]:
    """Bodies with headers that are not to be believed; `own`: well signed, and no event."""
    genuine = sign(BODY, moment=now)
    return {
        "no header": (BODY, b""),
        "an empty header": (BODY, b" "),
        "another secret": (BODY, sign(BODY, "whsec_another")),
        "another body": (BODY + b" ", genuine),
        "another moment": (BODY, genuine.replace(f"t={now}".encode(), f"t={now + 1}".encode())),
        "too old": (BODY, sign(BODY, moment=now - 310)),
        "of the future": (BODY, sign(BODY, moment=now + 400)),
        "v0 alone": (BODY, sign(BODY, scheme="v0")),
        "no moment": (BODY, genuine.split(b",")[1]),
        "two moments": (BODY, genuine + f",t={now}".encode()),
        "a moment that is no number": (BODY, genuine.replace(b"t=", b"t=x")),
        "a moment without end": (BODY, b"t=" + b"9" * 1_000 + b",v1=" + b"0" * 64),
        "an underscore in the moment": (
            BODY,
            genuine.replace(b"t=1", b"t=1_"),
        ),
        "a signature that is no ASCII": (BODY, f"t={now},v1=".encode() + "ä".encode() * 32),
        "a signature in capitals": (BODY, genuine.upper().replace(b"T=", b"t=").replace(b"V1=", b"v1=")),
        "half a signature": (BODY, genuine[:-32]),
        "a header of thousands": (BODY, b",".join([genuine] * 100)),
        "a body that is not UTF-8": (b'{"id": "\xff\xfe"}', sign(b'{"id": "\xff\xfe"}')),
        "an empty body": (b"", sign(b"")),
        "no JSON": (b"hello", sign(b"hello")),
        "JSON that is no object": (b"[1]", sign(b"[1]")),
        "an object that is no event": (b'{"object": "customer"}', sign(b'{"object": "customer"}')),
        "an event without an id": (body_of(event(id=None)), b"own"),
        "an event whose moment is no number": (body_of(event(created=True)), b"own"),
        "an event that shows nothing": (body_of(event(data={})), b"own"),
        "nested without end": (b"[" * 100_000, sign(b"[" * 100_000)),
    }


@pytest.mark.parametrize("kind", forgeries(1_790_000_000))
def test_a_forgery_is_refused_and_nothing_is_kept_of_it(door: OpenDoor, kind: str) -> None:
    body, header = forgeries(int(time.time()))[kind]
    assert door.post(body, sign(body) if header == b"own" else header) == 400
    assert door.stored() == []
    assert door.inbox.look().elsewhere == ()


def test_two_headers_with_signatures_are_none(door: OpenDoor) -> None:
    header = b"Stripe-Signature: " + sign(BODY)
    request = [b"POST /stripe/webhook HTTP/1.1", b"Host: door", b"Content-Length: %d" % len(BODY), header, header]
    assert door.raw(b"\r\n".join([*request, b"", b""]) + BODY) == 400


def test_refusals_say_nothing(door: OpenDoor) -> None:
    with door.connection() as connection:
        connection.sendall(b"POST /stripe/webhook HTTP/1.1\r\nHost: door\r\nContent-Length: 0\r\n\r\n")
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert answer.partition(b"\r\n\r\n")[2] == b"{}"
    assert b"server:" not in answer.lower()


def test_a_body_that_says_it_is_huge_is_not_read(door: OpenDoor) -> None:
    head = b"POST /stripe/webhook HTTP/1.1\r\nHost: door\r\nContent-Length: %d\r\nStripe-Signature: %b\r\n\r\n"
    assert door.raw(head % (MOST_BODY_BYTES + 1, sign(b""))) == 413
    assert door.raw(head % (10**15, sign(b""))) == 400


def test_the_largest_body_that_may_come_is_taken(door: OpenDoor) -> None:
    given = fresh()
    given["data"]["object"]["description"] = "x" * (MOST_BODY_BYTES - len(body_of(given)) - 200)
    assert MOST_BODY_BYTES - 300 < len(body_of(given)) <= MOST_BODY_BYTES
    assert door.post(given) == 200


def chunked(door: OpenDoor, header: bytes) -> socket.socket:
    connection = door.connection()
    head = b"POST /stripe/webhook HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\nStripe-Signature: %b\r\n\r\n"
    connection.sendall(head % header)
    return connection


def test_a_body_in_pieces_is_taken_too(door: OpenDoor) -> None:
    given = fresh()
    body = body_of(given)
    with chunked(door, sign(body)) as connection:
        for at in range(0, len(body), 100):
            piece = body[at : at + 100]
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        assert status(connection) == 200
    assert door.stored() == [given["id"]]


def test_pieces_without_end_are_cut_off(door: OpenDoor) -> None:
    sent = 0
    with chunked(door, sign(b"")) as connection:
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        with pytest.raises(OSError):  # noqa: PT011  # reset, or broken pipe: the rest is not read
            for _ in range(1_000):
                connection.sendall(piece)
                sent += 65_536
    assert sent < 20 * MOST_BODY_BYTES
    assert door.stored() == []


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="says nothing"),
        pytest.param(b"POST /stripe/webhook HTTP/1.1\r\nHost: d", id="a head without end"),
        pytest.param(
            b"POST /stripe/webhook HTTP/1.1\r\nHost: door\r\nContent-Length: 9\r\nStripe-Signature: %b\r\n\r\n{",
            id="a body without end",
        ),
    ],
)
def test_who_is_slow_is_cut_off(door: OpenDoor, beginning: bytes) -> None:
    with door.connection() as connection:
        connection.sendall(beginning % sign(b"") if b"%b" in beginning else beginning)
        assert status(connection) in (0, 408)


def test_a_head_without_end_is_cut_off_by_its_size(door: OpenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ARRIVAL_SECONDS", 60.0)
    connection = door.connection()
    connection.sendall(b"POST /stripe/webhook HTTP/1.1\r\n")
    sent = 0
    with connection, pytest.raises(OSError):  # noqa: PT011
        for number in range(100_000):
            connection.sendall(b"X-%d: %b\r\n" % (number, b"y" * 1_000))
            sent += 1_000
    assert sent < 20_000_000


def test_what_is_not_http_is_refused(door: OpenDoor) -> None:
    assert door.raw(b"\x16\x03\x01 hello\r\n\r\n") == 400


def test_a_secret_is_rolled_without_a_gap(door: OpenDoor) -> None:
    """Old and new count as long as both are set; each alone, once the other is gone."""
    old, new = SECRET, "whsec_second"
    answers = []
    for secrets, signing in [
        ([old], [old]),
        ([old, new], [old]),
        ([old, new], [new, old]),
        ([old, new], [new]),
        ([new], [new, old]),
        ([new], [new]),
    ]:
        door.secrets[:] = secrets
        body = body_of(fresh())
        answers.append(door.post(body, sign(body, *signing)))
    assert answers == [200] * 6
    body = body_of(fresh())
    assert door.post(body, sign(body, old)) == 400


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"livemode": True}, "elsewhere"),
        ({"account": "acct_another"}, "elsewhere"),
        ({"object": "v2.core.event", "data": None, "created": "2026-11-30T00:00:00Z"}, "thin"),
    ],
)
def test_what_is_signed_and_not_ours_is_accepted_and_left_out_without_its_content(
    door: OpenDoor, fields: dict[str, Any], why: str
) -> None:
    before = sum(each.events for each in door.inbox.look().elsewhere)
    given = fresh(**fields)
    assert door.post(given) == 200
    assert door.stored() == []
    found = door.inbox.look().elsewhere
    assert sum(each.events for each in found) == before + 1
    assert why in {each.why for each in found}
    door.inbox._connection.execute("delete from events where state in ('elsewhere', 'thin')")  # type: ignore[union-attr]


def test_an_event_with_our_own_account_on_it_is_ours(door: OpenDoor) -> None:
    given = fresh(account="acct_ours")
    assert door.post(given) == 200
    assert door.stored() == [given["id"]]


def test_half_a_character_is_kept_as_a_sign_that_something_is_missing(door: OpenDoor) -> None:
    given = fresh()
    body = body_of(given).replace(b"customer-", rb"\ud83dustomer-", 1)
    assert door.post(body) == 200
    (waiting,) = door.inbox.waiting(10)
    assert "\ufffdustomer-" in waiting.body.decode()


def test_other_addresses_are_not_there(door: OpenDoor) -> None:
    assert door.post(fresh(), path="/") == 404
    assert door.post(fresh(), path="/stripe/webhook/") == 404
    assert door.get("/stripe/webhook")[0] == 405
    assert door.stored() == []


def test_health_and_metrics(door: OpenDoor) -> None:
    door.post(fresh())
    assert door.get("/health")[0] == 200
    code, text = door.get("/metrics")
    assert code == 200
    assert "stripe_cio_webhook_waiting_events 1\n" in text
    assert 'stripe_cio_webhook_requests_total{status="200"} ' in text
    for line in text.splitlines():
        assert line.startswith("# ") or len(line.rsplit(" ", 1)) == 2


def test_four_copies_on_eight_connections_are_each_kept_once(door: OpenDoor) -> None:
    given = [body_of(fresh()) for _ in range(100)]
    answers: list[int] = []

    def send(part: int) -> None:
        with door.connection() as connection:
            for body in (given[part * 13 :] + given[: part * 13]) if part % 2 else given:
                head = b"POST /stripe/webhook HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\nStripe-Signature: %b\r\n\r\n"
                connection.sendall(head % (len(body), sign(body)) + body)
                answers.append(status(connection))

    threads = [threading.Thread(target=send, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 800
    assert len(door.stored()) == len(given)


def test_while_nothing_can_be_stored_the_answer_is_503_and_then_it_goes_on(door: OpenDoor) -> None:
    """A full disk, as SQLite tells of it: a file that may have no more pages than it has."""
    door.inbox.knock()
    connection = door.inbox._connection
    assert connection is not None
    connection.execute("vacuum")
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages}")
    given = fresh()
    given["data"]["object"]["description"] = "x" * 200_000
    assert door.post(given) == 503
    assert door.stored() == []
    # The connection that failed is given up, and with it the limit.
    assert door.post(given) == 200
    assert door.stored() == [given["id"]]


def test_an_inbox_that_is_full_says_503_and_health_says_so(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.inbox._most_events = 2
        assert [door.post(event(number)) for number in range(4)] == [200, 200, 503, 503]
        assert door.get("/health")[0] == 503
        assert door.post(event(0)) == 503
        door.inbox.taken(door.stored())
        door.inbox._counted = None
        assert door.get("/health")[0] == 200
        assert door.post(event(3)) == 200


def test_too_many_bodies_at_once_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST_HELD_BYTES", MOST_BODY_BYTES)
    with open_door(tmp_path) as door:
        with chunked(door, sign(b"")):
            until(lambda: door.door._held > 0)
            assert door.post(event(1)) == 503
        until(lambda: door.door._held == 0)
        assert door.post(event(1)) == 200


def test_a_door_that_closes_takes_nothing_more(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.door.closing = True
        assert door.post(event(1)) == 503
        assert door.get("/health")[0] == 503
        assert door.stored() == []


def until(holds: Any) -> None:
    for _ in range(2_000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("never happened")
