"""`init`: the files that a user edits, written out with their defaults and meanings."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from stripe_cio_pipeline import extract
from stripe_cio_pipeline.cli.configuration import environment_example, policy_yaml
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.cli.session import Json
from stripe_cio_pipeline.errors import PipelineError, SettingsError
from stripe_cio_pipeline.model import copy_models
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.policy import FILE_NAME
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.warehouse import Warehouse

All = Annotated[bool, typer.Option("--all", help="Copy every built-in model, also those that are seldom edited.")]
Folder = Annotated[Path, typer.Argument(help="Where to write.", metavar="FOLDER")]


def init(folder: Folder = Path(), everything: All = False, as_json: Json = False) -> None:
    """Write stripe_cio.yaml, .env, models/people.sql and events.sql to edit. What exists is left alone."""
    output = Output(as_json=as_json)
    written: list[Path] = []
    kept: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content, mode in (
            (folder / FILE_NAME, policy_yaml(), 0o666),
            (folder / ".env", environment_example(), 0o600),
        ):
            try:
                opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            except FileExistsError:
                kept.append(path)
                continue
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                file.write(content)
            written.append(path)
        models = folder / "models"
        if models.exists() and not everything:
            kept.append(models)
        else:
            written += copy_models(models, everything=everything)
    except OSError as refused:
        raise SettingsError(
            f"{refused.filename or folder} cannot be written ({refused.strerror}).",
            "Name another folder: stripe-cio init FOLDER.",
        ) from None
    for path in written:
        output.good(f"{visible(str(path))} written")
    for path in kept:
        output.say(f"– {visible(str(path))} was there and is left alone")
    output.say()
    for sentence in _what_an_upgrade_reads():
        output.say(visible(sentence))
    output.say(
        "Next: fill in the first three keys in .env, which only you can read, and run stripe-cio check. Keep .env out "
        "of version control."
    )
    output.say(
        "A file in models/ replaces the built-in one of its name. Delete those that you do not change, so that "
        "upgrades reach them; stripe-cio init --all copies the others too."
    )
    output.result({"written": written, "kept": kept})


def _what_an_upgrade_reads() -> Iterator[str]:
    """Say what is read now and was not, where this installation has a warehouse of an older release already."""
    with suppress(PipelineError):
        warehouse = Warehouse(load_settings().warehouse_location, lock_wait_seconds=0)
        if not warehouse.exists:
            return
        with warehouse.reading() as connection:
            for missing in extract.still_missing(connection):
                yield (
                    f"! {missing}: this release reads it, and {warehouse.location} does not have it yet. The next "
                    f"syncs fetch it with about {missing.requests:,} requests, and load nothing a second time."
                )
