"""Calls go out evenly, give way to a 429, and recover."""

import asyncio

import pytest

from stripe_cio_pipeline.deliver.pace import Pace


def test_a_429_halves_the_rate_and_success_brings_it_back() -> None:
    pace = Pace(10, clock=lambda: 0.0)
    pace.slow_down(None)
    assert pace.rate == 5
    for _ in range(20):
        pace.slow_down(None)
    assert pace.rate == pytest.approx(0.5)
    assert pace.throttled == 21
    for _ in range(100):
        pace.succeeded()
    assert pace.rate == 10


def test_the_pause_that_the_server_asks_for_holds_every_call_back() -> None:
    moment = 100.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal moment
        slept.append(seconds)
        moment += seconds

    async def calls() -> None:
        pace = Pace(1_000, sleep=sleep, clock=lambda: moment)
        await pace.turn()
        assert slept == []
        pace.slow_down(7.0)
        pace.slow_down(3.0)
        await pace.turn()
        await pace.turn()

    asyncio.run(calls())
    assert slept == [7.0]
