"""The documentation says what there is: every command, variable, key and attribute, and nothing that is not."""

import re
from pathlib import Path

import pytest
import typer

from stripe_cio_pipeline.cli.app import app
from stripe_cio_pipeline.cli.configuration import keys, renew, variables
from stripe_cio_pipeline.model.trace import lineage
from stripe_cio_pipeline.policy import Policy

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
#: A command in backticks, or at the start of a line, perhaps behind variables and a path.
NAMED = re.compile(r"(?:`|^\s*(?:\S+=\S+ )*(?:\S*/)?)stripe-cio ([a-z][a-z-]+)([^`\n#]*)", re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_tables_of_the_configuration_are_those_of_the_code() -> None:
    text = page("docs/configuration.md")
    assert renew(text) == text, "run: python -m stripe_cio_pipeline.cli.document docs/configuration.md"


@pytest.mark.parametrize("name", [each.name for each in variables()])
def test_every_variable_is_documented(name: str) -> None:
    assert f"| `{name}` |" in page("docs/configuration.md")


@pytest.mark.parametrize("name", [each.name for each in keys()])
def test_every_policy_key_is_documented(name: str) -> None:
    assert f"| `{name}` |" in page("docs/configuration.md")


@pytest.mark.parametrize("attribute", list(lineage(Policy())))
def test_every_attribute_is_documented(attribute: str) -> None:
    assert re.search(rf"^#+ .*`?{attribute}`?|\| `{attribute}`", page("docs/attributes.md"), flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_help(command: str) -> None:
    assert f"`stripe-cio {command}`" in page("README.md")
    assert typer.main.get_command(app).commands[command].help  # type: ignore[attr-defined]


def test_every_command_that_a_page_names_exists() -> None:
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        named = {command for command, _ in NAMED.findall(file.read_text(encoding="utf-8"))}
        assert named <= set(COMMANDS), file.name


def test_every_option_that_a_page_names_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for file in (ROOT / "README.md", *DOCS.glob("*.md")):
        for command, rest in NAMED.findall(file.read_text(encoding="utf-8")):
            if command not in commands or command == "sandbox":
                continue
            known = {name for parameter in commands[command].params for name in parameter.opts} | {"--help"}
            assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known, f"{file.name}: stripe-cio {command}{rest}"


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), flags=re.MULTILINE))
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert named <= targets, file.name


def test_every_file_of_tests_that_make_names_exists() -> None:
    named = re.findall(r"tests/\S+\.py", page("Makefile"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_link_and_picture_leads_somewhere() -> None:
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (file.parent / target).exists(), f"{file.name} → {target}"


def ways() -> dict[str, list[str]]:
    """The ways that the page of the architecture tells, each step as a line."""
    section = page("docs/architecture.md").split("## The way of a page, an event and a person", 1)[1]
    section = section.split("\n## ", 1)[0]
    told = re.findall(r"^\*\*(.+)\*\*\n\n((?:\d+\. .*\n)+)", section, flags=re.MULTILINE)
    return {title: steps.splitlines() for title, steps in told}


def files_of(step: str) -> list[Path]:
    """The files that a step names; one without a folder is in the folder of the one before it."""
    package, folder, found = ROOT / "stripe_cio_pipeline", "", []
    for name in re.findall(r"`([\w/*]+\.(?:py|sql))`", step):
        folder = name.rpartition("/")[0] or folder
        found.append(package / folder / name.rpartition("/")[2])
    return found


@pytest.mark.parametrize("way", ["A page of a Stripe list", "An event", "A person"])
def test_the_way_of_a_thing_is_told_in_ten_lines_with_files_and_functions_that_are_there(way: str) -> None:
    steps = ways()[way]
    assert len(steps) <= 10
    for step in steps:
        files = files_of(step)
        assert all(list(file.parent.glob(file.name)) for file in files), step
        for function in re.findall(r"\(`(\w+)`\)", step):
            assert any(f"def {function}(" in file.read_text(encoding="utf-8") for file in files), step
