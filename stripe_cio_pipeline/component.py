"""The pipeline as a Dagster component, for use in any project with a few lines of `defs.yaml`.

type: stripe_cio_pipeline.component.StripeCustomerIoComponent
attributes:
  prefix: acme
  environment_prefix: ACME_
  config: stripe_cio.yaml
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stripe_cio_pipeline.errors import PolicyError
from stripe_cio_pipeline.orchestration.defs_yaml import (
    GIVEN,
    OpaquePolicy,
    checked,
    find_policy,
    resolve_policy,
    resolve_settings,
)
from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout, TableProps
from stripe_cio_pipeline.orchestration.names import Group, Names
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource, resource_with
from stripe_cio_pipeline.orchestration.scaffolding import PipelineScaffolder
from stripe_cio_pipeline.policy import Policy, load_policy, place_models


@dg.scaffold_with(PipelineScaffolder)
class StripeCustomerIoComponent(dg.Component, dg.Model, dg.Resolvable):
    """Keep the people of a Customer.io workspace in step with the customers of a Stripe account."""

    # What is wrong in `settings` may be a key.
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    prefix: str = Field(
        default="",
        description="Stands before the names of assets, groups, jobs, schedules and the sensor, so that several "
        "pipelines fit into one project.",
        examples=["acme"],
    )
    environment_prefix: str = Field(
        default="",
        description="Stands before the names of the environment variables that hold keys and addresses: with `ACME_`, "
        "the Stripe key is `ACME_STRIPE_API_KEY`. Variables without it are then not read, but for STRIPE_CIO_HOME.",
        examples=["ACME_"],
    )
    settings: Annotated[
        dict[str, Any], dg.Resolver(resolve_settings, model_field_type=dict, inject_before_resolve=False)
    ] = Field(
        default_factory=dict,
        description="Keys and addresses instead of variables with fixed names. A secret is the name of a variable, "
        "`{{ env.NAME }}` here and `dg.EnvVar` in Python. It is read when a step runs, and never shown.",
        examples=[{"stripe_api_key": "{{ env.ACME_STRIPE_KEY }}", "customerio_region": "eu"}],
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
    policy: Annotated[
        OpaquePolicy | None, dg.Resolver(resolve_policy, model_field_type=dict, inject_before_resolve=False)
    ] = Field(
        default=None,
        description="The policy itself, with the keys of stripe_cio.yaml, instead of a file. Models are in the folder "
        "`models` beside this defs.yaml.",
        examples=[{"events": {"forward": ["invoice.*"]}}],
    )
    translation: Annotated[
        TranslationFn[TableProps] | None,
        TranslationFnResolver[TableProps](lambda props: {"props": props}),
    ] = Field(
        default=None,
        description="Changes to our assets: key, group_name, tags, owners and the like. `props.group` and `props.name` "
        "say which table it is, `spec` is ours.",
        examples=[{"key": "warehouse/{{ props.name }}", "group_name": "growth"}],
    )
    owners: list[str] = Field(
        default_factory=list, description="Owners of all assets.", examples=[["team:growth", "ops@example.com"]]
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of all assets and runs.")
    running: bool = Field(
        default=False,
        description="Begin with the schedules and the sensor switched on. Off: a fresh copy must never send.",
    )

    @classmethod
    def model(cls) -> type[BaseModel]:
        """Give the form of the attributes in a defs.yaml, with the rules that `dg check yaml` holds them to."""
        return checked(cls, super().model())

    @field_validator("prefix")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value):
            raise ValueError("must be letters, digits and underscores, beginning with a letter")
        return value

    @field_validator("settings")
    @classmethod
    def _secrets_are_variables(cls, value: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(value) - set(GIVEN)):
            raise ValueError(f"there is no setting {unknown[0]}: there are {', '.join(GIVEN)}")
        for name, given in value.items():
            if GIVEN[name] and not isinstance(given, dg.EnvVar):
                raise ValueError(f'{name} is a secret: name its variable, as dg.EnvVar("{name.upper()}")')
        return value

    @model_validator(mode="after")
    def _policy_stands_in_one_place(self) -> "StripeCustomerIoComponent":
        if self.policy is not None and self.config is not None:
            raise ValueError("policy and config exclude each other: write the policy here, or name its file")
        return self

    def get_asset_spec(self, props: TableProps) -> dg.AssetSpec:
        """Give the spec of a table's asset. Override it for what `translation` cannot say.

        The key must follow from `props.group`, `props.name` and `props.spec.key` alone: other assets point at it.
        """
        return props.spec if self.translation is None else self.translation(props.spec, props)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the definitions. Raises PolicyError where the policy is wrong."""
        policy = None if self.policy is None else place_models(self.policy, context.path.absolute())
        kind = PipelineResource if policy is None else resource_with(policy.model_dump(mode="json", exclude_unset=True))
        # What is empty is left out: each of these is shown in every launchpad.
        resource = kind(
            environment_prefix=self.environment_prefix or None,
            home=self.home,
            warehouse=self.warehouse,
            config=self._policy_file(context.path),
            settings=self.settings or None,
            name=self.prefix or None,
        )
        return build_definitions(self.layout(policy or load_policy(resource.policy_file())), resource)

    def layout(self, policy: Policy) -> Layout:
        """Give what the definitions share. The policy decides cron lines, poll interval and freshness."""
        ours = Names(self.prefix)

        @cache
        def key(group: Group, name: str) -> dg.AssetKey:
            spec = dg.AssetSpec(ours.default(group, name), group_name=ours.group(group))
            return self.get_asset_spec(TableProps(group, name, spec)).key

        return Layout(
            names=Names(self.prefix, key),
            policy=policy,
            owners=tuple(self.owners),
            tags=self._tags(),
            running=self.running,
            get_asset_spec=self.get_asset_spec,
        )

    def _tags(self) -> Mapping[str, str]:
        return {**self.tags, **({"stripe_cio/pipeline": self.prefix} if self.prefix else {})}

    def _policy_file(self, folder: Path) -> str | None:
        if self.config is None:
            return None
        found = find_policy(folder, self.config)
        if found is None:
            raise PolicyError(
                f"The policy file {self.config} does not exist, neither in {folder} nor in the working directory.",
                "Correct the attribute config, or write the policy below the attribute policy.",
            )
        return str(found)
