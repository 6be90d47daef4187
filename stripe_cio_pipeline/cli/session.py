"""What nearly every command needs: the environment, the policy file, the warehouse."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.policy import Policy, load_policy
from stripe_cio_pipeline.settings import Settings, load_settings
from stripe_cio_pipeline.warehouse import Warehouse

LOCK_WAIT_SECONDS = 60.0

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object as the last line of standard output; words go to standard error."),
]
Wait = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for others at work in this warehouse."),
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="How many people and events to show one by one.")]


@dataclass(frozen=True, slots=True)
class Session:
    """One call of the command line."""

    settings: Settings
    policy: Policy
    warehouse: Warehouse
    output: Output


def open_session(*, as_json: bool = False, wait: float = LOCK_WAIT_SECONDS) -> Session:
    """Read environment and policy; nothing is opened yet. Raises SettingsError, PolicyError."""
    settings = load_settings()
    return Session(
        settings,
        load_policy(settings.config),
        Warehouse(settings.warehouse_location, lock_wait_seconds=wait),
        Output(as_json=as_json),
    )


def fresh_home(home: Path) -> Path:
    """Give an empty folder for a sandbox's warehouse: that of an earlier one belongs to an account that is gone."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700, parents=True)
    return home
