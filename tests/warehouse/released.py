"""Warehouses of released versions, each kept with data in it: `python -m tests.warehouse.released` keeps this one's.

A file `tests/data/warehouses/VERSION.duckdb.gz` is the warehouse of a small account, without free blocks.
"""

import gzip
import hashlib
import os
import tempfile
import tomllib
from importlib.resources import files
from pathlib import Path

from stripe_cio_pipeline.warehouse import Warehouse, rewrite

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "data" / "warehouses"
#: What each step of the schema was when it was frozen, as `sha256  name`.
STEPS = KEPT / "schema.sha256"


def digests() -> dict[str, str]:
    """Give the SHA-256 of each step of the schema as it is now, by its name."""
    folder = files("stripe_cio_pipeline.warehouse").joinpath("schema")
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    return {name: found[name] for name in sorted(found) if name.endswith(".sql")}


def frozen() -> dict[str, str]:
    """Give them as they were frozen."""
    pairs = (line.split("  ") for line in STEPS.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in pairs}


def unpack(kept: Path, folder: Path) -> Path:
    """Give the warehouse as that version left it, to be written to."""
    place = folder / "warehouse.duckdb"
    place.write_bytes(gzip.decompress(kept.read_bytes()))
    return place


def main() -> None:
    """Live a small account for a while with this version, and keep what its warehouse has. Freezes the schema too."""
    from stripe_cio_pipeline.cli.app import run
    from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox

    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(seed=11, customers=6, customerio=CustomerioSwitches.gentle()) as sandbox,
    ):
        os.environ.update(sandbox.environment(), STRIPE_CIO_HOME=folder)
        for days in (0, 3):
            sandbox.clock.advance(days=days)
            if run(["sync", "--approve"]):
                raise SystemExit("the sync failed")
        place = Path(folder) / "warehouse.duckdb"
        rewrite(Warehouse(place))
        (KEPT / f"{version}.duckdb.gz").write_bytes(gzip.compress(place.read_bytes(), 9, mtime=0))
    STEPS.write_text("".join(f"{digest}  {name}\n" for name, digest in digests().items()), encoding="utf-8")


if __name__ == "__main__":
    main()
