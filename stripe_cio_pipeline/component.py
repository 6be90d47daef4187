"""The pipeline as a Dagster component, for use in any project with a few lines of `defs.yaml`.

type: stripe_cio_pipeline.component.StripeCustomerIoComponent
attributes:
  prefix: acme
  environment_prefix: ACME_
  config: stripe_cio.yaml
"""

import re
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import ConfigDict, Field, field_validator

from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource
from stripe_cio_pipeline.policy import load_policy


class StripeCustomerIoComponent(dg.Component, dg.Model, dg.Resolvable):
    """Keep the people of a Customer.io workspace in step with the customers of a Stripe account."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = Field(
        default="",
        description="Stands before the names of assets, groups, jobs, schedules and the sensor, so that several "
        "pipelines fit into one project.",
        examples=["acme"],
    )
    environment_prefix: str = Field(
        default="",
        description="Stands before the names of the environment variables that hold keys and addresses: with `ACME_`, "
        "the Stripe key is `ACME_STRIPE_API_KEY`. Variables without it are then not read.",
        examples=["ACME_"],
    )
    warehouse: str | None = Field(
        default=None,
        description="Path of the DuckDB file, on a local disk. Empty: STRIPE_CIO_WAREHOUSE, or a file named for the "
        "prefix in STRIPE_CIO_HOME.",
        examples=["data/acme.duckdb"],
    )
    home: str | None = Field(default=None, description="Folder for all that is written. Empty: STRIPE_CIO_HOME.")
    config: str | None = Field(
        default=None,
        description="Policy file, beside this defs.yaml or from the working directory. Empty: STRIPE_CIO_CONFIG, or "
        "stripe_cio.yaml in the working directory if there is one.",
        examples=["stripe_cio.yaml"],
    )
    owners: list[str] = Field(
        default_factory=list, description="Owners of all assets.", examples=[["team:growth", "ops@example.com"]]
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of all assets and runs.")
    running: bool = Field(
        default=False,
        description="Begin with the schedules and the sensor switched on. Off: a fresh copy must never send.",
    )

    @field_validator("prefix")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value):
            raise ValueError("must be letters, digits and underscores, beginning with a letter")
        return value

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the definitions. Raises PolicyError where the policy file is wrong."""
        resource = PipelineResource(
            environment_prefix=self.environment_prefix,
            home=self.home,
            warehouse=self.warehouse,
            config=self._policy_file(context.path),
            name=self.prefix,
        )
        return build_definitions(self.layout(resource), resource)

    def layout(self, resource: PipelineResource) -> Layout:
        """Give what the definitions share. The policy decides cron lines, poll interval and freshness."""
        return Layout(
            names=Names(self.prefix),
            policy=load_policy(resource.policy_file()),
            owners=tuple(self.owners),
            tags=self._tags(),
            running=self.running,
        )

    def _tags(self) -> Mapping[str, str]:
        return {**self.tags, **({"stripe_cio/pipeline": self.prefix} if self.prefix else {})}

    def _policy_file(self, folder: Path) -> str | None:
        if self.config is None:
            return None
        beside = folder / self.config
        return str(beside) if beside.exists() else self.config
