"""Load what is below `defs`."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Give everything that this project has."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
