"""SQL by name: a `.sql` file tells one subject whole, each of its statements under a line `-- name: delete_rows`.

The form is that of aiosql and its kin. aiosql itself is not used: it gives each statement out as a method that runs it
on a driver's cursor and rewrites parameters, and what runs here is text that goes to DuckDB as it stands.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: *(\S+) *$", re.MULTILINE)


class Statements:
    """The named statements of all `.sql` files in one package folder, `SQL["delete_rows"]`.

    A name that is in no file is a KeyError at its first use, and one that stands twice a ValueError.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def __getitem__(self, name: str) -> str:
        try:
            return _read(self._package)[name]
        except KeyError:
            raise KeyError(f"{self._package} has no statement {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(_read(self._package))

    def since(self, name: str, mark: int) -> str:
        """Give a statement with its `$mark` filled in: as a parameter it would not spare DuckDB what is older."""
        return self[name].replace("$mark", str(mark))


def read_script(package: str, name: str) -> str:
    """Give a `.sql` file that is one script: a step of the schema, or a model."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


@cache
def _read(package: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(files(package).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            # Text before the first name, then name and statement by turns.
            _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
            for name, statement in zip(parts[::2], parts[1::2], strict=True):
                if name in found:
                    raise ValueError(f"{package} has two statements {name}")
                found[name] = statement.strip()
    return found
