"""A call ends: by an answer, or by the time that it may take as a whole."""

import asyncio
from functools import partial

from stripe_cio_pipeline.deliver.client import Api, Call
from stripe_cio_pipeline.deliver.outcome import Again, judge
from stripe_cio_pipeline.deliver.pace import Pace
from tests.deliver.conftest import QUICK


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, sent: list[int]) -> None:
    """Answer a byte at a time, for ever: no single read takes long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    try:
        while True:
            writer.write(b" ")
            await writer.drain()
            sent.append(1)
            await asyncio.sleep(0.005)
    except (ConnectionError, asyncio.CancelledError):
        writer.close()


def test_an_answer_that_comes_byte_by_byte_is_given_up_and_the_call_is_repeated() -> None:
    sent: list[int] = []
    calls: list[Call] = []

    async def run() -> None:
        server = await asyncio.start_server(partial(drip, sent=sent), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Api(f"http://127.0.0.1:{port}", pace=Pace(1000), patience=QUICK, seconds=0.1) as api:
            _, outcome = await api.call(
                "POST", "/api/v2/batch", partial(judge, items=1), body=lambda: b"{}", on_call=calls.append
            )
        assert isinstance(outcome, Again)
        assert outcome.what == "no whole answer came within 0.1 s"

    asyncio.run(run())
    assert len(sent) > QUICK.attempts
    assert [call.status for call in calls] == [None] * QUICK.attempts
