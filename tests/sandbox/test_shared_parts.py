"""Faults, limits and counters, without a server."""

import pytest

from stripe_cio_pipeline.sandbox import Counters, Fault, Faults
from stripe_cio_pipeline.sandbox.limits import Buckets, TokenBucket


class Machine:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def drawn(faults: Faults, count: int, path: str = "/v1/customers") -> list[Fault | None]:
    return [faults.draw(path) for _ in range(count)]


def test_a_bucket_gives_a_second_at_once_and_then_its_rate() -> None:
    machine = Machine()
    bucket = TokenBucket(25, machine=machine)
    assert [bucket.take() for _ in range(26)] == [True] * 25 + [False]
    machine.seconds += 0.04
    assert (bucket.take(), bucket.take()) == (True, False)
    assert bucket.wait_seconds() == pytest.approx(0.04)
    machine.seconds += 100
    assert [bucket.take() for _ in range(26)] == [True] * 25 + [False]


def test_a_bucket_needs_a_rate() -> None:
    with pytest.raises(ValueError, match="above 0"):
        TokenBucket(0)


def test_buckets_are_apart_and_follow_a_changed_rate() -> None:
    buckets = Buckets(machine=Machine())
    assert [buckets.take("a", 1) for _ in range(2)] == [True, False]
    assert buckets.take("b", 1)
    assert [buckets.take("a", 2) for _ in range(3)] == [True, True, False]


def test_a_fault_by_number_happens_once() -> None:
    faults = Faults()
    faults.at(2, Fault.error(500))
    assert drawn(faults, 3) == [None, Fault.error(500), None]
    faults.next(Fault.reset_before(), count=2)
    assert drawn(faults, 3) == [Fault.reset_before(), Fault.reset_before(), None]
    assert faults.request_number == 6


def test_a_rate_is_a_share_for_a_path_and_a_while() -> None:
    faults = Faults(seed=1)
    faults.rate(0.25, Fault.error(503))
    hit = sum(fault is not None for fault in drawn(faults, 2_000))
    assert 400 < hit < 600
    faults.clear()
    assert drawn(faults, 50) == [None] * 50
    faults.rate(1.0, Fault.error(503), path="/v1/events", requests=3)
    assert drawn(faults, 1) == [None]
    assert drawn(faults, 3, "/v1/events") == [Fault.error(503), Fault.error(503), None]


def test_a_fault_for_a_time_ends_by_itself() -> None:
    machine = Machine()
    faults = Faults(now=machine)
    faults.during(3600, Fault.error(503), path="/api/")
    machine.seconds += 3599
    assert drawn(faults, 2, "/api/v2/batch") == [Fault.error(503)] * 2
    assert drawn(faults, 1) == [None]
    assert [rate["seconds_left"] for rate in faults.snapshot()["rates"]] == [1]
    machine.seconds += 1
    assert drawn(faults, 1, "/api/v2/batch") == [None]


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Faults().rate(1.5, Fault.error(500))


@pytest.mark.parametrize(
    "fault",
    [
        Fault.error(500, should_retry=False),
        Fault.rate_limited("endpoint-rate", retry_after=2),
        Fault.lock_timeout(),
        Fault.slow(1.5),
        Fault.drip(),
        Fault.reset_before(),
        Fault.reset_after(),
        Fault.reset_mid_body(),
        Fault.truncated(),
        Fault.not_a_list(),
        Fault.reject(id="cus_1"),
    ],
)
def test_every_fault_survives_json(fault: Fault) -> None:
    assert Fault.from_json(fault.to_json()) == fault


def test_an_unknown_fault_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown fault kind 'flood'; known: status, slow"):
        Fault.from_json({"kind": "flood"})
    with pytest.raises(ValueError, match='needs a "status"'):
        Fault.from_json({"kind": "status"})


def test_counters_count_by_endpoint_and_status() -> None:
    counters = Counters()
    counters.request("GET", "/v1/events", 200)
    counters.request("GET", "/v1/events", 429)
    counters.add("applied", 3)
    assert (counters.requests, counters.gets, counters["429"], counters["never"]) == (2, 2, 1, 0)
    assert counters["GET /v1/events 200"] == 1
    assert counters.snapshot()["applied"] == 3
    assert "applied" in list(counters)
    counters.reset()
    assert counters.snapshot() == {}
