"""What `make release` looks at: archives are whole, licences go with ours, and silence is no all-clear."""

import importlib.util
import io
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import packages_distributions, requires
from importlib.metadata import version as version_of
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "deploy" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_that_the_archive_lacks_is_named(release: ModuleType) -> None:
    wanted = release.package_files()

    assert {"stripe_cio_pipeline/py.typed", "stripe_cio_pipeline/model/sql/people.sql"} <= set(wanted)
    assert release.missing_files([*wanted, "more"], wanted) == []
    assert release.missing_files(wanted[1:], wanted) == [f"{wanted[0]} is missing"]


def licensed(name: str, licence: str) -> dict[str, str]:
    return {"Name": name, "Version": "1.0", "License": licence, "URL": "https://example.com"}


def test_a_licence_that_does_not_go_with_ours_is_a_problem(release: ModuleType) -> None:
    good = ["MIT", "Apache-2.0", "LGPL-3.0-only", "GNU Lesser General Public License v3 (LGPLv3)"]
    good += ["MIT OR GPL-2.0-only", "BSD License; GNU General Public License v2 (GPLv2)"]
    bad = ["GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0", "UNKNOWN", ""]

    assert release.licence_problems([licensed("good", each) for each in good]) == []
    assert len(release.licence_problems([licensed("bad", each) for each in bad])) == len(bad)
    assert "| good | 1.0 | MIT | https://example.com |" in release.licence_table([licensed("good", "MIT")])


def test_what_runs_here_is_under_licences_that_go_with_ours(release: ModuleType) -> None:
    """The packages of the image's lock that are installed here too: nearly all of them."""
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-deploy.lock").read_text(encoding="utf-8"), re.MULTILINE)
    tool = Path(sys.executable).with_name("pip-licenses")
    arguments = ("--format", "json", "--from", "mixed", "--with-urls", "--packages", *locked)
    said = subprocess.run([tool, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    listed = json.loads(said.stdout)

    assert {"duckdb", "stripe", "dagster"} <= {each["Name"] for each in listed}
    assert release.licence_problems(listed) == []


def packed(path: Path, *, moment: int, owner: int, backwards: bool) -> Path:
    """An sdist as one machine makes it."""
    with tarfile.open(path, "w:gz") as archive:
        for name in sorted(("p-1.0/setup.py", "p-1.0/a.py"), reverse=backwards):
            one = tarfile.TarInfo(name)
            one.size = len(name)
            of_machine = one.replace(mtime=moment, uid=owner, uname=f"user{owner}")
            archive.addfile(of_machine, io.BytesIO(name.encode()))
    return path


def test_an_sdist_has_the_same_bytes_whoever_builds_it_and_when(release: ModuleType, tmp_path: Path) -> None:
    once = packed(tmp_path / "once.tar.gz", moment=1, owner=1, backwards=False)
    again = packed(tmp_path / "again.tar.gz", moment=2, owner=2, backwards=True)
    assert release.differing([once], [again]) == ["once.tar.gz differs from a second build of the same commit"]
    for one in (once, again):
        release.same_always(one, 1_700_000_000)
    assert release.differing([once], [again]) == []
    assert release.sdist_names(once) == ["a.py", "setup.py"]
    with tarfile.open(once) as archive:
        content = archive.extractfile("p-1.0/a.py")
        assert content is not None
        assert content.read() == b"p-1.0/a.py"


def test_notes_are_the_changelogs_of_that_version_alone(release: ModuleType) -> None:
    changelog = "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.0.0 (2026-12-01)\n\n- first\n\n## 0.9.0\n\n- before\n"
    assert release.notes(changelog, "1.0.0") == ("- first\n", "Notes: of 1.0.0, from the changelog.")
    section, told = release.notes(changelog, "2.0.0")
    assert section == "- later\n"
    assert told.startswith("! Notes: of Unreleased")


def test_the_page_for_a_package_index_is_the_readme_without_what_it_cannot_show(release: ModuleType) -> None:
    page = (ROOT / "deploy" / "index_page.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page == release.index_page(readme), "run: python deploy/release.py --page"
    assert "![" not in page
    assert not re.search(r"\]\((?!http)", page)
    first = page.split("## ")[0]
    assert "pip install stripe-cio-pipeline" in first
    assert re.search(r"^    ┃ what +┃ number ┃\n", first, re.MULTILINE), (
        "the terminal's picture as text, in its columns"
    )


def test_all_parts_of_dagster_are_of_one_release() -> None:
    """The core is 1.13.N where its integrations are 0.29.N, and parts of different releases break each other."""
    for name in ("requirements.lock", "requirements-deploy.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        parts = dict(re.findall(r"^(dagster[\w-]*)==([\d.]+)", text, re.MULTILINE))
        assert {"dagster", "dagster-webserver"} <= set(parts)
        assert len({version.rpartition(".")[2] for version in parts.values()}) == 1, parts
    # Whoever installs the package without a lock gets one release too: each part asks for exactly its own.
    for part in ("dagster-webserver", "dagster-graphql"):
        assert f"dagster=={version_of('dagster')}" in (requires(part) or ())


LOOKED_UP: dict[str, Any] = {"name": "good", "version": "1.0", "vulns": []}
UNSAFE: dict[str, Any] = {"name": "bad", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
SKIPPED: dict[str, Any] = {"name": "unknown", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "problems", "said"),
    [
        ([LOOKED_UP, SKIPPED], [], "Advisories: 1 of 2 packages were looked up, with 0 known flaws."),
        ([LOOKED_UP, UNSAFE], ["bad 1.0: CVE-1, mended in 1.1"], "2 of 2 packages were looked up, with 1 known flaws."),
        ([SKIPPED], [], "NOT CHECKED"),
        (None, [], "NOT CHECKED"),
    ],
)
def test_an_audit_that_could_look_nothing_up_says_so(
    release: ModuleType, dependencies: list[dict[str, Any]] | None, problems: list[str], said: str
) -> None:
    answer = "" if dependencies is None else json.dumps({"dependencies": dependencies, "fixes": []})

    found, told = release.judge_audit(answer)

    assert found == problems
    assert said in told


def test_every_direct_dependency_is_there_for_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.match(r"[\w.-]+", each)[0]  # type: ignore[index]
        for each in [*project["dependencies"], *(each for extra in extras.values() for each in extra)]
    }
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    reasons = dict(re.findall(r"^\| `([\w.-]+)` \| (.+?) \|", page, re.MULTILINE))

    assert set(reasons) == declared
    assert all(len(reason.split()) >= 3 for reason in reasons.values())


#: Run as a program, and imported by nobody.
PROGRAMS = {"dagster-webserver"}


def test_what_is_needed_to_run_is_imported_somewhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules: dict[str, set[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            modules.setdefault(package.lower(), set()).add(module)
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "stripe_cio_pipeline").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE))

    for each in project["dependencies"]:
        name = re.match(r"[\w.-]+", each)[0].lower()  # type: ignore[index]
        assert name in PROGRAMS or modules[name] & imported, name
