"""The house: five rooms, one direction, and who may know whom."""

import ast
from pathlib import Path

import pytest

import stripe_cio_pipeline
from stripe_cio_pipeline.warehouse import Statements

PACKAGE = Path(stripe_cio_pipeline.__file__).parent
ROOMS = ("extract", "model", "plan", "deliver")
BELOW = {"errors", "settings", "policy", "cron", "event_types", "drawing", "outside", "waiting", "warehouse", "wording"}
#: The acts of a sync: above the rooms, below Dagster and the command line.
ACTS = {"sync", "overview"}
ABOVE = {"orchestration", "cli", "definitions", "component", "listening"}
MOST_LINES = 420


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Dotted names of all that a file imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = node.module if node.level == 0 else f"{package(file, node.level)}.{node.module}"
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


def package(file: Path, level: int) -> str:
    """The package that a relative import starts from."""
    return ".".join((PACKAGE.name, *file.relative_to(PACKAGE).parts[:-level]))


def own_parts(file: Path) -> set[str]:
    """The first-level parts of our own package that a file imports."""
    return {name.split(".")[1] for name in imported(file) if name.startswith("stripe_cio_pipeline.")} & (
        set(ROOMS) | BELOW | ACTS | ABOVE | {"sandbox"}
    )


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_to_its_left_and_what_stands_below(room: str) -> None:
    allowed = BELOW | set(ROOMS[: ROOMS.index(room) + 1])
    for file in (PACKAGE / room).rglob("*.py"):
        beyond = own_parts(file) - allowed
        assert not beyond, f"{file.relative_to(PACKAGE)} imports {', '.join(sorted(beyond))}"


def test_the_acts_of_a_sync_know_nothing_of_what_stands_on_them() -> None:
    for file in (PACKAGE / "sync").rglob("*.py"):
        assert own_parts(file) <= BELOW | ACTS | set(ROOMS), file.name


def test_listening_goes_through_the_acts_and_knows_neither_dagster_nor_the_command_line() -> None:
    for file in (PACKAGE / "listening").rglob("*.py"):
        assert own_parts(file) <= BELOW | ACTS | {"extract", "listening"}, file.name
        assert "starlette" not in {name.split(".")[0] for name in imported(file)}


def test_only_what_serves_imports_a_server() -> None:
    """A sync, and whoever looks into the inbox, do not wait for one."""
    for file in modules():
        serves = {"uvicorn", "httptools"} & {name.split(".")[0] for name in imported(file)}
        assert not serves or part_of(file) == "sandbox" or file == PACKAGE / "listening" / "serving.py", file


def test_the_warehouse_imports_no_room() -> None:
    for file in (PACKAGE / "warehouse").rglob("*.py"):
        assert own_parts(file) <= {"errors", "warehouse"}, file.name


def test_the_rooms_never_import_dagster_or_the_command_line() -> None:
    for file in modules():
        if part_of(file) in ABOVE - {"listening"}:
            continue
        outside = {name.split(".")[0] for name in imported(file)} & {
            "dagster",
            "dagster_webserver",
            "typer",
            "rich",
        }
        allowed = {"typer", "rich"} if part_of(file) == "sandbox" and file.name == "__main__.py" else set()
        assert outside <= allowed, f"{file.relative_to(PACKAGE)} imports {outside}"


def test_the_sandbox_and_the_rooms_do_not_know_each_other() -> None:
    for file in modules():
        part = part_of(file)
        if part == "sandbox":
            assert own_parts(file) <= {"sandbox"}, file.relative_to(PACKAGE)
        elif part != "cli":
            assert "sandbox" not in own_parts(file), file.relative_to(PACKAGE)


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "common", "misc", "manager", "base", "shared"}
    assert not [file for file in modules() if file.stem in drawers]


def test_a_module_has_one_subject() -> None:
    """Past this length a second subject has moved in."""
    long = {
        str(file.relative_to(PACKAGE)): count
        for file in modules()
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert not long


def folders_of_statements() -> list[Path]:
    return sorted({file.parent for file in PACKAGE.rglob("*.sql") if "-- name:" in file.read_text(encoding="utf-8")})


def words_of(room: Path) -> set[str]:
    """Every string that the Python code of a room holds."""
    return {
        node.value
        for file in room.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def statements_asked_for(room: Path) -> set[str]:
    """The names in `SQL["..."]`, whatever the collection is called."""
    return {
        node.slice.value
        for file in room.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id.lstrip("_") in {"SQL", "ACTS"}
        and isinstance(node.slice, ast.Constant)
    }


@pytest.mark.parametrize("folder", folders_of_statements(), ids=lambda folder: folder.parent.name)
def test_every_statement_is_run_by_its_room_and_every_name_is_a_statement(folder: Path) -> None:
    statements = set(Statements(".".join((PACKAGE.name, *folder.relative_to(PACKAGE).parts))))
    unused = statements - words_of(folder.parent)
    assert not unused, f"nobody runs {', '.join(sorted(unused))}"
    missing = statements_asked_for(folder.parent) - statements
    assert not missing, f"there is no statement {', '.join(sorted(missing))}"


def test_a_file_of_statements_holds_nothing_but_named_statements() -> None:
    for folder in folders_of_statements():
        for file in folder.glob("*.sql"):
            before = file.read_text(encoding="utf-8").split("-- name:")[0]
            assert all(line.startswith("--") or not line for line in before.splitlines()), file
