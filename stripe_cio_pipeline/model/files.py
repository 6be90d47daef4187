"""The SQL files of the model: the built-in ones, and the user's that replace or extend them by name."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.seeds import Seed, find_seeds
from stripe_cio_pipeline.model.syntax import Reading, read_query

#: Raw tables of the warehouse that a file in `objects/` may read.
RAW = (
    "customers",
    "subscriptions",
    "invoices",
    "charges",
    "products",
    "prices",
    "coupons",
    "disputes",
    "credit_notes",
    "invoice_payments",
)
#: Files with a meaning of their own; every other file beside them is a table for these to read.
FIXED = ("functions", "members", "people", "events")

#: Folders inside the user's: typed tables, and tables that are data.
FOLDERS = ("objects", "seeds")

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
#: The first line of a copy.
_COPIED = "-- A copy of the built-in {name} ({hash}): take it away, and the built-in one counts again.\n"
_COPY = re.compile(r"-- A copy of the built-in \S+ \((?P<hash>[0-9a-f]{12})\)")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model. `where` is how messages name the file, `builtin` whether it came with the package."""

    name: str
    sql: str
    where: str
    builtin: bool

    @property
    def query(self) -> str:
        """The query without its final semicolon, so that it can stand in parentheses on lines of its own."""
        return self.sql.rstrip().rstrip(";").rstrip() + "\n"

    @property
    def reading(self) -> Reading:
        """What the query mentions. Raises ModelError where it is not one select."""
        return read_query(self.query, self.where)

    def reads(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of `names` are tables that the query reads. Raises ModelError where it is not one select."""
        asked = tuple(names)
        if not asked:
            return ()
        found = {table.name for table in self.reading.tables if table.schema in {"", "model"}}
        return tuple(name for name in asked if name in found)


@dataclass(frozen=True, slots=True)
class Models:
    """All files, by layer. `helpers` stand in an order in which each reads only those before it."""

    functions: ModelFile
    objects: tuple[ModelFile, ...]
    members: ModelFile
    helpers: tuple[ModelFile, ...]
    people: ModelFile
    events: ModelFile
    seeds: tuple[Seed, ...] = ()

    def __iter__(self) -> Iterator[ModelFile]:
        """Give every file of SQL, in the order of computing."""
        yield from (self.functions, *self.objects, self.members, *self.helpers, self.people, self.events)


def load_models(folder: Path | None) -> Models:
    """Read the built-in files and lay the user's over them.

    Raises ModelError for a folder or file that cannot be used.
    """
    root = files("stripe_cio_pipeline.model").joinpath("sql")
    objects = _read(root.joinpath("objects"), "objects/", builtin=True)
    top = _read(root, "", builtin=True)
    if folder is not None:
        if not folder.is_dir():
            raise ModelError(
                f"The models folder {folder} does not exist.",
                "Correct models.folder in stripe_cio.yaml, or make the folder with stripe-cio init.",
            )
        _refuse_what_nobody_reads(folder)
        top |= _read(folder, f"{folder}/", builtin=False)
        if folder.joinpath("objects").is_dir():
            objects |= _read(folder / "objects", f"{folder}/objects/", builtin=False)
    seeds = {} if folder is None else {seed.name: seed for seed in find_seeds(folder / "seeds")}
    for one, other in ((top, objects), (seeds, top), (seeds, objects)):
        for name in sorted(set(one) & set(other)):
            raise ModelError(
                f"{one[name].where} and {other[name].where} would make one table, {name}.", "Rename one of them."
            )
    return Models(
        functions=top["functions"],
        objects=tuple(objects[name] for name in sorted(objects)),
        members=top["members"],
        helpers=_in_order([file for name, file in sorted(top.items()) if name not in FIXED]),
        people=top["people"],
        events=top["events"],
        seeds=tuple(seeds.values()),
    )


@cache
def builtin_names() -> frozenset[str]:
    """Name the built-in models."""
    return frozenset(file.name for file in load_models(None))


def fingerprint(*parts: str) -> str:
    """Give a hash that changes when any part does."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def copy_models(folder: Path, *, everything: bool = False) -> list[Path]:
    """Copy people.sql and events.sql into a folder, to edit them there, or all built-in files. Names those written.

    What stands there is left. The first line of a copy tells of what it is one, for `compare_copies`.
    """
    written: list[Path] = []
    for file in load_models(None):
        if not everything and file.name not in {"people", "events"}:
            continue
        target = folder / file.where.removeprefix("built-in ")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_COPIED.format(name=target.name, hash=_short_hash(file.sql)) + file.sql, encoding="utf-8")
            written.append(target)
    return written


@dataclass(frozen=True, slots=True)
class Copy:
    """A user's file that replaces a built-in one: equal to it, or a copy of one that has changed since."""

    where: str
    equal: bool


def compare_copies(folder: Path) -> list[Copy]:
    """Find files that equal the built-in ones, and copies whose built-in file is another by now."""
    built_in = {file.where.removeprefix("built-in "): file for file in load_models(None)}
    found: list[Copy] = []
    for name, file in built_in.items():
        path = folder / name
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        first, _, rest = text.partition("\n")
        copied = _COPY.match(first)
        if (rest if copied else text).strip() == file.sql.strip():
            found.append(Copy(str(path), equal=True))
        elif copied and copied["hash"] != _short_hash(file.sql):
            found.append(Copy(str(path), equal=False))
    return found


def _short_hash(sql: str) -> str:
    return fingerprint(sql)[:12]


def _read(folder: Traversable, prefix: str, *, builtin: bool) -> dict[str, ModelFile]:
    found: dict[str, ModelFile] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        name = file.name.removesuffix(".sql")
        where = f"{prefix}{file.name}" if not builtin else f"built-in {prefix}{file.name}"
        if not _NAME.fullmatch(name):
            raise ModelError(
                f"{where} cannot be a model: its name would not be a table's name.",
                "Name it in lower case, with letters, digits and underscores.",
            )
        try:
            found[name] = ModelFile(name, file.read_text(encoding="utf-8"), where, builtin)
        except UnicodeDecodeError as broken:
            raise ModelError(f"{where} is not UTF-8 text (byte {broken.start}).", "Save it as UTF-8.") from None
        except OSError as refused:
            raise ModelError(
                f"{where} cannot be read ({refused.strerror}).", "Put a file there that you may read."
            ) from None
    return found


def _refuse_what_nobody_reads(folder: Path) -> None:
    """Refuse files and folders that were meant as models and would be passed over without a word."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in FOLDERS and not path.name.startswith("."):
            if any(file.suffix in {".sql", ".csv"} for file in path.rglob("*")):
                near = difflib.get_close_matches(path.name, FOLDERS, n=1, cutoff=0.0)[0]
                raise ModelError(
                    f"{path} holds models or seeds, and none is read from a folder of that name.",
                    f"The nearest folder that is read: {folder / near}.",
                )
        elif path.name.lower().endswith(".sql") and not path.name.endswith(".sql"):
            raise ModelError(f"{path} is passed over: its name does not end in .sql.", "Write .sql in lower case.")


def _in_order(helpers: list[ModelFile]) -> tuple[ModelFile, ...]:
    waiting = {file.name: file for file in helpers}
    ordered: list[ModelFile] = []
    while waiting:
        ready = [file for file in waiting.values() if not _read_before(file, waiting)]
        if not ready:
            names = ", ".join(file.where for file in waiting.values())
            raise ModelError(f"These models read each other in a circle: {names}.", "Break the circle.")
        for file in ready:
            ordered.append(file)
            del waiting[file.name]
    return tuple(ordered)


def _read_before(file: ModelFile, waiting: Iterable[str]) -> set[str]:
    try:
        return set(file.reads(waiting)) - {file.name}
    except ModelError:
        return set()  # told where the rules are held
