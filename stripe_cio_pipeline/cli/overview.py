"""`report`: the overview as one file to open in a browser, to keep and to pass on."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from stripe_cio_pipeline.cli.live import working
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Wait, open_session
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.overview import draw_pictures, read_overview, write_page


def report(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; by default report.html in STRIPE_CIO_HOME."
        ),
    ] = None,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Write an HTML page with pictures: people linked, MRR by plan, funnel, what was planned and why, lag."""
    session = open_session(as_json=as_json, wait=wait)
    file = (output or session.settings.home / "report.html").absolute()
    with working(session.output, "Reading the warehouse") as bars:
        with session.warehouse.reading() as connection:
            found = read_overview(connection, now=time.time())
        bars.begin("Drawing")
        _write(file, write_page(found, draw_pictures(found)))
    session.output.good(f"The report is in {visible(str(file))}")
    session.output.result({"report": file})


def _write(file: Path, page: str) -> None:
    """Put a file in its place at once, for its owner alone: revenue is in it. Raises PipelineError."""
    beside = file.parent / f".{file.name}.{os.getpid()}"
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
            written.write(page)
        beside.replace(file)
    except OSError as refused:
        with suppress(OSError):
            beside.unlink()
        raise PipelineError(
            f"The report cannot be written to {visible(str(file))} ({refused.strerror}).",
            "Name a file in a folder that is there and that you may write to: stripe-cio report --output FILE.",
        ) from None
