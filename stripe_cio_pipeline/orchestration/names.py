"""What things are called in Dagster. These names are kept for ever: history, cursors and limits hang on them.

With a prefix, several pipelines live in one project: `acme/stripe/customers`, group `acme_stripe`, job `acme_sync`.
"""

from dataclasses import dataclass
from typing import Literal

import dagster as dg

Group = Literal["stripe", "model", "customerio"]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one pipeline. `prefix` is empty, or a word of letters, digits and underscores."""

    prefix: str = ""

    def asset(self, group: Group, name: str) -> dg.AssetKey:
        """Give an asset's key: the prefix, the group, the table."""
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
