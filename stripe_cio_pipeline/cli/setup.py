"""`init`: the files that a user edits, written out with their defaults and meanings."""

import os
from pathlib import Path
from typing import Annotated

import typer

from stripe_cio_pipeline.cli.configuration import environment_example, policy_yaml
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.cli.session import Json
from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.model import copy_models
from stripe_cio_pipeline.policy import FILE_NAME

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
        output.good(f"{path} written")
    for path in kept:
        output.say(f"– {path} was there and is left alone")
    output.say()
    output.say(
        "Next: fill in the keys in .env, which only you can read, and run stripe-cio check. Keep .env out of version "
        "control."
    )
    output.say(
        "A file in models/ replaces the built-in one of its name. Delete those that you do not change, so that "
        "upgrades reach them; stripe-cio init --all copies the others too."
    )
    output.result({"written": written, "kept": kept})
