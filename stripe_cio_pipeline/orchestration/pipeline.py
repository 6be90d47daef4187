"""The way from a Dagster step into the rooms: settings, policy and warehouse, read when a step runs and not before.

The turn of a run (warehouse/turn.py) is held here, not in a step: building, planning and delivering are three steps,
and a plan that was approved is to be the one that goes. The resource lives as long as the run in its process, so the
first of these steps takes the turn, and the end of the run gives it back at the latest. Where steps have processes of
their own, or somebody materializes one asset alone, each step has the turn for itself, and another run's plan may take
the place of this one's before it is sent. That does no harm: delivery sends what stands without an answer, whoever
planned it, and asks that plan's own guard; the other run finds nothing left to send.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import dagster as dg
from pydantic import Field, PrivateAttr

from stripe_cio_pipeline.listening.backlog import read_backlog
from stripe_cio_pipeline.orchestration.environment import read_environment
from stripe_cio_pipeline.policy import load_policy, parse_policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync import Opened
from stripe_cio_pipeline.warehouse import Turn, Warehouse

LOCK_WAIT_SECONDS = 60.0


class Pipeline(Protocol):
    """Anything that opens a pipeline for a step."""

    def open(self, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> Opened:
        """Read settings and policy; open nothing. Raises SettingsError, PolicyError."""
        ...


class PipelineResource(dg.ConfigurableResource[Any]):
    """One pipeline: a Stripe account, a Customer.io workspace and the DuckDB warehouse between them.

    Keys and addresses come from the environment when a step runs; none of them is ever part of a run's configuration.
    """

    # None, and no default of another kind: what has one is put into every launchpad, where it says nothing.
    environment_prefix: str | None = Field(
        default=None,
        description="Prefix of the environment variables: with `ACME_`, the Stripe key is `ACME_STRIPE_API_KEY`.",
    )
    home: str | None = Field(default=None, description="Folder for all files, instead of STRIPE_CIO_HOME.")
    warehouse: str | None = Field(default=None, description="Path of the DuckDB file, instead of STRIPE_CIO_WAREHOUSE.")
    config: str | None = Field(default=None, description="Policy file, instead of STRIPE_CIO_CONFIG.")
    settings: dict[str, str] | None = Field(
        default=None,
        description="Keys and addresses instead of variables: `stripe_api_key` and the like. A secret is given as "
        "`dg.EnvVar`, which is read when a step runs.",
    )
    name: str | None = Field(
        default=None, description="Name of the pipeline's own warehouse file, where no warehouse is named anywhere."
    )

    _policy: ClassVar[Mapping[str, Any] | None] = None
    _holder: str = PrivateAttr(default="Dagster")
    _tell: Callable[[str], object] | None = PrivateAttr(default=None)
    _turn: Turn | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Learn what this run is called to whoever waits for it."""
        if context.run is not None:
            self._holder = f"Dagster run {context.run.run_id}"
        if context.log is not None:
            self._tell = context.log.info

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Give the turn back, whatever the run ended with."""
        if self._turn is not None:
            self._turn.give_back()

    def open(self, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> Opened:
        """Read settings and policy. Raises SettingsError, PolicyError."""
        settings = self.read_settings()
        given = self._policy
        policy = load_policy(settings.config) if given is None else parse_policy(dict(given), "policy")
        warehouse = Warehouse(settings.warehouse_location, lock_wait_seconds=lock_wait_seconds)
        if self._turn is None:
            self._turn = Turn(warehouse, self._holder, tell=self._tell)
        return Opened(settings, policy, warehouse, self._turn, backlog=partial(read_backlog, settings.home))

    def read_settings(self) -> Settings:
        """Read the environment, with this pipeline's own values put in. Raises SettingsError."""
        settings = read_environment(self.environment_prefix or "", given=self.settings or {})
        home = Path(self.home) if self.home else settings.home
        # Two pipelines in one home folder must not meet in one file.
        own_file = str(home / f"{self.name}.duckdb") if self.name else None
        return settings.model_copy(
            update={
                "home": home,
                "warehouse": self.warehouse or settings.warehouse or own_file,
                "config": self.policy_file() or settings.config,
            }
        )

    def policy_file(self) -> Path | None:
        """Give the policy file that is named, None where it is up to the working directory."""
        named = self.config or os.environ.get(f"{self.environment_prefix or ''}STRIPE_CIO_CONFIG")
        return Path(named) if named else None


def resource_with(policy: Mapping[str, Any]) -> type[PipelineResource]:
    """Give a resource with a policy of its own instead of a file.

    It is not configuration of a run: a launchpad would keep a copy in the browser, and use it after an edit.
    """

    class WithPolicy(PipelineResource):
        __doc__ = PipelineResource.__doc__
        _policy: ClassVar[Mapping[str, Any] | None] = policy

    return WithPolicy


@dataclass(frozen=True, slots=True)
class GivenPipeline:
    """A pipeline whose settings the caller holds already. The command line runs the job with it."""

    opened: Opened

    def open(self, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> Opened:
        """Give what was given; the wait for the warehouse is the caller's."""
        return self.opened
