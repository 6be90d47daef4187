"""What all assets of one pipeline share, and the form in which each is declared."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.extract import OBJECTS, StripeObject
from stripe_cio_pipeline.orchestration.names import Group, Names
from stripe_cio_pipeline.policy import Policy


@dataclass(frozen=True, slots=True)
class TableProps:
    """A table whose asset is declared: its group (`stripe`, `model`, `customerio`), its name, and our spec of it."""

    group: Group
    name: str
    spec: dg.AssetSpec


@dataclass(frozen=True, slots=True)
class Layout:
    """One pipeline in Dagster: its names, owners, tags and policy.

    `policy` decides the cron lines, the pace of the sensor and what counts as stale; a step that runs reads it again.
    `running` says whether schedules and the sensor begin switched on. `get_asset_spec` gives the spec of an asset.
    """

    names: Names = field(default_factory=Names)
    policy: Policy = field(default_factory=Policy)
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    running: bool = False
    get_asset_spec: Callable[[TableProps], dg.AssetSpec] = lambda props: props.spec

    @property
    def objects(self) -> tuple[StripeObject, ...]:
        """The object types that are read."""
        return tuple(kind for kind in OBJECTS if kind.name not in self.policy.stripe.leave_out)

    @property
    def fresh(self) -> dg.FreshnessPolicy:
        """Assets of the regular sync: stale when alerts would say so, failed after twice that time."""
        stale = timedelta(minutes=max(2, self.policy.alerts.stale_minutes))
        return dg.FreshnessPolicy.time_window(fail_window=2 * stale, warn_window=stale)


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the source: what a reader of the asset wants to open."""

    file: str
    line: int
    label: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Source":
        """Give the place of a function."""
        plain = inspect.unwrap(function)
        return cls(inspect.getfile(plain), plain.__code__.co_firstlineno, f"{plain.__module__}.{plain.__name__}")

    @classmethod
    def at(cls, file: Path) -> "Source":
        """Give a whole file."""
        return cls(str(file), 1, file.name)


def describe_asset(
    layout: Layout,
    group: Group,
    name: str,
    description: str,
    *,
    deps: Iterable[dg.AssetKey] = (),
    kinds: Sequence[str],
    sources: Sequence[Source],
    table: str | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    metadata: Mapping[str, Any] | None = None,
    shown_in: str = "",
) -> dg.AssetSpec:
    """Declare an asset. It may end without a materialization, as in a dry run. `shown_in` is a group of its own.

    Raises SettingsError where a translation makes its key of more than the table, because others point at it.
    """
    own: dict[str, Any] = {"dagster/code_references": _references(sources)}
    if table is not None:
        own["dagster/table_name"] = table
    ours = dg.AssetSpec(
        layout.names.default(group, name),
        description=description,
        deps=list(deps),
        skippable=True,
        group_name=layout.names.act(shown_in or group),
        kinds=set(kinds),
        owners=list(layout.owners),
        tags={**layout.tags, "stripe_cio/room": group},
        freshness_policy=freshness or layout.fresh,
        metadata={**own, **(metadata or {})},
    )
    spec = layout.get_asset_spec(TableProps(group, name, ours))
    if spec.key != layout.names.asset(group, name):
        raise SettingsError(
            f"The key of {ours.key.to_user_string()} is translated to {spec.key.to_user_string()} here and to "
            f"{layout.names.asset(group, name).to_user_string()} where other assets depend on it.",
            "Make the key of props.group, props.name and props.spec.key alone.",
        )
    return spec


def _references(sources: Sequence[Source]) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():
        # Dagster calls code references beta; the release range in pyproject.toml ends before they may change.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=source.file, line_number=source.line, label=source.label)
                for source in sources
            ]
        )
