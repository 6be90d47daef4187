"""SQL by file name: `Statements("stripe_cio_pipeline.plan.sql")["count_by_action"]` is count_by_action.sql there."""

from functools import cache
from importlib.resources import files


class Statements:
    """The `.sql` files of one package folder. A file that is missing is a KeyError at its first use."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getitem__(self, name: str) -> str:
        return _read(self._package, name)

    def since(self, name: str, mark: int) -> str:
        """Give a statement with its `$mark` filled in: as a parameter it would not spare DuckDB what is older."""
        return self[name].replace("$mark", str(mark))


@cache
def _read(package: str, name: str) -> str:
    file = files(package).joinpath(f"{name}.sql")
    if not file.is_file():
        raise KeyError(f"{package} has no {name}.sql")
    return file.read_text(encoding="utf-8")
