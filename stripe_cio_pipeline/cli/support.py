"""`support`: what an issue about this package needs to hold, without keys, people or values.

Names only, and counts: which settings are set, which policy keys are changed, how many rows there are. An unexpected
error is kept by its kind and by the lines of code that it passed, because its own words may hold a payload.
"""

import os
import platform
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stripe_cio_pipeline.cli.configuration import keys
from stripe_cio_pipeline.cli.output import Output, readable
from stripe_cio_pipeline.cli.session import Json
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.policy import Policy, load_policy
from stripe_cio_pipeline.settings import READ_AS, Settings, load_settings
from stripe_cio_pipeline.warehouse import Warehouse
from stripe_cio_pipeline.warehouse.migrations import applied

_FILE = "last_error.txt"
_PACKAGES = ("stripe-cio-pipeline", "dagster", "duckdb", "stripe", "pydantic", "typer", "httpx")
_LOCK_WAIT_SECONDS = 3.0


def support(as_json: Json = False) -> None:
    """Collect what an issue needs: versions, names of settings, counts, the last unexpected error. No keys."""
    output = Output(as_json=as_json)
    lines = list(_lines())
    for line in lines:
        output.say(line)
    output.result({"support": lines})


def keep_error(error: Exception, arguments: Sequence[str], home: Path) -> bool:
    """Keep where an unexpected error came from for `support`, beside the warehouse; tell whether that could be done."""
    if not home.is_dir():
        return False
    command = next((each for each in arguments if not each.startswith("-")), "")
    lines = [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, stripe-cio {command}: {type(error).__name__}"]
    lines += [
        f"  {_place(Path(frame.filename))}, line {frame.lineno}, in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    with suppress(OSError):
        (home / _FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return True
    return False


def _place(file: Path) -> str:
    """Name a file from its package on: what stands before may name whoever works here."""
    for above in ("site-packages", "stripe_cio_pipeline"):
        if above in file.parts:
            return "/".join(file.parts[file.parts.index(above) + (above == "site-packages") :])
    return file.name


def _lines() -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    yield ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    try:
        settings = load_settings()
    except PipelineError as error:
        yield f"Environment: {type(error).__name__}"
        return
    given = sorted(READ_AS[name].upper() for name in settings.model_fields_set & READ_AS.keys())
    yield f"Variables that are set: {', '.join(given) or 'none'}"
    try:
        policy = load_policy(settings.config)
    except PipelineError as error:
        yield f"Policy: {type(error).__name__}"
    else:
        yield f"Policy keys that are changed: {', '.join(_changed(policy)) or 'none'}"
        own = sorted(file.name for file in policy.models.folder.rglob("*.sql")) if policy.models.folder else []
        yield f"SQL files of your own: {len(own)}"
    yield from _of_warehouse(settings)
    kept = settings.home / _FILE
    if kept.exists():
        yield "Last unexpected error:"
        yield from kept.read_text(encoding="utf-8").splitlines()
    else:
        yield "No unexpected error was kept here."


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"


def _changed(policy: Policy) -> Iterator[str]:
    for key in keys():
        value: object = policy
        for name in key.name.split("."):
            value = getattr(value, name)
        if value != key.default:
            yield key.name


def _of_warehouse(settings: Settings) -> Iterator[str]:
    """Count what is there. Whatever is wrong with it may be why somebody asks."""
    try:
        warehouse = Warehouse(settings.warehouse_location, lock_wait_seconds=_LOCK_WAIT_SECONDS)
        if not warehouse.exists:
            yield "Warehouse: none yet"
            return
        size = Path(warehouse.location).stat().st_size / 1e6
        with warehouse.reading() as connection:
            yield f"Warehouse: {size:,.1f} MB, schema {applied(connection)[-1]}"
            from stripe_cio_pipeline.cli.status import read_status

            found = read_status(connection, Policy(), links_are_seen=False, now=time.time())
    except Exception as error:
        yield f"Warehouse: {type(error).__name__}"
        return
    counted = {str(row["object"]): row["live"] for row in found.objects}
    for title, counts in (("Rows", counted), ("People", found.people), ("Events", found.events)):
        yield f"{title}: {', '.join(f'{name} {readable(number)}' for name, number in counts.items()) or 'none'}"
    runs = (f"{row['kind']} {readable(row['started_at'])} {visible(str(row['outcome']))}" for row in found.runs)
    yield f"Latest runs: {'; '.join(runs) or 'none'}"
