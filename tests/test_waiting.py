"""Requests side by side end with whoever asked for them."""

import asyncio

import pytest

from stripe_cio_pipeline.waiting import abandon, together, within


async def give(value: str, log: list[str], after: float = 0.0) -> str:
    await asyncio.sleep(after)
    log.append(value)
    return value


async def fail(what: str) -> str:
    raise ValueError(what)


def test_results_come_in_the_order_in_which_they_were_asked_for() -> None:
    log: list[str] = []
    assert asyncio.run(together([give("slow", log, 0.01), give("quick", log)])) == ["slow", "quick"]
    assert log == ["quick", "slow"]


def test_a_failure_is_raised_when_nothing_goes_on_behind_it() -> None:
    log: list[str] = []

    async def run() -> None:
        with pytest.raises(ValueError, match="first"):
            await together([give("slow", log, 0.01), fail("first"), fail("second")])
        assert log == ["slow"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_what_is_abandoned_has_let_go_of_what_it_held() -> None:
    log: list[str] = []

    async def hold() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            log.append("let go")

    async def run() -> None:
        tasks = [asyncio.create_task(hold()) for _ in range(2)]
        await asyncio.sleep(0)
        await abandon(tasks)
        await abandon([])
        assert log == ["let go", "let go"]

    asyncio.run(run())


def test_work_that_takes_too_long_as_a_whole_is_ended_although_something_comes_all_the_time() -> None:
    drops: list[int] = []

    async def drip() -> None:
        while True:
            await asyncio.sleep(0.001)
            drops.append(1)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await within(0.05, drip())
        assert await within(5, give("quick", [])) == "quick"

    asyncio.run(run())
    assert drops
