"""What things are called in Dagster. These names are kept for ever: history, cursors and limits hang on them.

With a prefix, several pipelines live in one project: `acme/stripe/customers`, group `acme_stripe`, job `acme_sync`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from stripe_cio_pipeline.extract import OBJECTS

Group = Literal["stripe", "model", "customerio"]

#: Every table that is an asset.
TABLES: tuple[tuple[Group, str], ...] = (
    *(("stripe", kind.name) for kind in OBJECTS),
    *(("stripe", name) for name in ("events", "reconciliation")),
    *(("model", name) for name in ("members", "people", "events", "overview")),
    *(("customerio", name) for name in ("plan", "people", "events", "verification")),
)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one pipeline. `prefix` is empty, or a word of letters, digits and underscores.

    `translated` gives the key that a project wants for a table instead of ours.
    """

    prefix: str = ""
    translated: Callable[[Group, str], dg.AssetKey] | None = None

    def asset(self, group: Group, name: str) -> dg.AssetKey:
        """Give an asset's key: by default the prefix, the group, the table."""
        return self.default(group, name) if self.translated is None else self.translated(group, name)

    def default(self, group: Group, name: str) -> dg.AssetKey:
        """Give the key of an asset that nobody translates."""
        return dg.AssetKey([part for part in (self.prefix, group, name) if part])

    def group(self, group: Group) -> str:
        """Give the name of a group of assets."""
        return self.act(group)

    def act(self, name: str) -> str:
        """Give the name of a job, an op, a schedule or a sensor."""
        return f"{self.prefix}_{name}" if self.prefix else name

    @property
    def resource(self) -> str:
        """Give the key under which this pipeline's settings are found."""
        return self.act("pipeline")
