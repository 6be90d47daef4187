"""`make release`: archives that were looked into and tried, what is in the image, and what is known of it.

In `dist/` afterwards: the two archives, `sbom.cdx.json` (CycloneDX, of the locked environment of the image with this
release in it), `licences.md`, and `notes.md` from the changelog.

`deploy/release.py --page` writes `deploy/index_page.md` again: the README as a package index can show it.
`deploy/release.py --try 3.12 3.13` builds a wheel and tries it alone under these Pythons.
"""

import gzip
import hashlib
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
LOCK = ROOT / "requirements-deploy.lock"
#: The environment of the image, made anew.
IMAGE = ROOT / ".venv-release"

#: A text in the picture of a terminal: where it begins, in its units, and its line.
_TEXT = re.compile(r'<text [^>]*?x="([\d.]+)"[^>]*clip-path="url\(#[\w-]*?line-(\d+)\)">([^<]*)</text>')
_COLUMN = 12.2
#: The README without what a package index cannot show.
INDEX_PAGE = ROOT / "deploy" / "index_page.md"

UV = str(Path(sys.executable).parent / "uv")
#: In an environment of its own: nothing else here needs what it brings.
TWINE = "twine@7.0.0"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

#: A licence of something that is linked into the same program and asks that its source be under the same one.
FORBIDDEN = re.compile(r"\b(AGPL|GPL|Affero|GNU General Public)", re.IGNORECASE)
ALLOWED = re.compile(r"LGPL|Lesser General Public|Library General Public", re.IGNORECASE)


def main() -> int:
    """Make everything. Gives 1 where something is not as it should be."""
    if sys.argv[1:] == ["--page"]:
        INDEX_PAGE.write_text(index_page((ROOT / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    os.environ.pop("PYTHONPATH", None)  # what is tried is the wheel, and not the checkout
    _activate_all_of_pyenv()
    if sys.argv[1:2] == ["--try"]:
        with tempfile.TemporaryDirectory() as folder:
            wheel, _ = build(Path(folder))
            for python in sys.argv[2:]:
                print(try_out(wheel, python))
        return 0
    shutil.rmtree(DIST, ignore_errors=True)
    wheel, sdist = build(DIST)
    with tempfile.TemporaryDirectory() as elsewhere:
        problems = differing((wheel, sdist), build(Path(elsewhere)))
    problems += [f"{wheel.name}: {what}" for what in missing_files(wheel_names(wheel), package_files())]
    problems += [f"{sdist.name}: {what}" for what in missing_files(sdist_names(sdist), [*package_files(), "LICENSE"])]
    print(run(UV, "tool", "run", "--quiet", TWINE, "check", "--strict", str(wheel), str(sdist)).strip())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    section, told = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    (DIST / "notes.md").write_text(section, encoding="utf-8")
    print(told)
    for python in PYTHONS:
        print(try_out(wheel, python))
    print(try_with_uvx(wheel, "3.12"))

    uv("venv", "--quiet", "--clear", "--python", sys.executable, str(IMAGE))
    install = ("pip", "install", "--quiet", "--python", str(IMAGE / "bin" / "python"), "--no-deps")
    uv(*install, "--require-hashes", "-r", str(LOCK))
    uv(*install, str(wheel))
    run(str(IMAGE / "bin" / "stripe-cio"), "--version")

    tool("cyclonedx-py", "environment", "--output-reproducible", "--pyproject", str(ROOT / "pyproject.toml"),
         "--output-file", str(DIST / "sbom.cdx.json"), str(IMAGE / "bin" / "python"))  # fmt: skip
    listed = json.loads(
        tool(
            "pip-licenses",
            "--python",
            str(IMAGE / "bin" / "python"),
            "--format",
            "json",
            "--from",
            "mixed",
            "--with-urls",
        )
    )
    (DIST / "licences.md").write_text(licence_table(listed), encoding="utf-8")
    problems += licence_problems(listed)

    audited = tool("pip-audit", "--disable-pip", "--require-hashes", "-r", str(LOCK), "--format", "json", check=False)
    found, said = judge_audit(audited)
    problems += found
    print(said)
    for problem in problems:
        print(f"✘ {problem}")
    if not problems:
        print("\n".join(f"✔ {file.relative_to(ROOT)}" for file in sorted(DIST.iterdir())))
    return 1 if problems else 0


def build(folder: Path) -> tuple[Path, Path]:
    """Build wheel and sdist so that the same commit gives the same bytes, wherever and whenever it is built."""
    epoch = int(run("git", "log", "-1", "--format=%ct").strip())
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)
    options = ("--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder))
    uv("build", "--sdist", *options, str(ROOT))
    (sdist,) = folder.glob("*.tar.gz")
    same_always(sdist, epoch)
    # Of the sdist, so that it is proved to hold all that a build needs.
    uv("build", "--wheel", *options, str(sdist))
    (wheel,) = folder.glob("*.whl")
    (folder / ".gitignore").unlink(missing_ok=True)
    return wheel, sdist


def same_always(sdist: Path, epoch: int) -> None:
    """Write an sdist again without what differs from build to build: moments, owners, the order of files."""
    with tarfile.open(sdist) as archive:
        held = [(one, archive.extractfile(one)) for one in sorted(archive.getmembers(), key=lambda one: one.name)]
        files = [(one, content.read() if content else b"") for one, content in held]
    with (
        sdist.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=epoch, fileobj=raw) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as archive,
    ):
        for one, content in files:
            one.mtime, one.uid, one.gid, one.uname, one.gname, one.pax_headers = epoch, 0, 0, "", "", {}
            one.mode = 0o755 if one.isdir() or one.mode & 0o100 else 0o644
            archive.addfile(one, io.BytesIO(content))


def differing(once: Sequence[Path], again: Sequence[Path]) -> list[str]:
    """Say which archives two builds of the same commit made differently."""
    return [
        f"{one.name} differs from a second build of the same commit"
        for one, other in zip(once, again, strict=True)
        if hashlib.sha256(one.read_bytes()).digest() != hashlib.sha256(other.read_bytes()).digest()
    ]


def try_out(wheel: Path, python: str) -> str:
    """Install the wheel under a Python and run the demo of it in an empty folder. Ends the release where that fails."""
    if not is_here(python):
        return f"! Python {python}: NOT CHECKED, there is none here."
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        uv("venv", "--quiet", "--python", python, str(place / "venv"))
        executable = place / "venv" / "bin"
        install = (UV, "pip", "install", "--quiet", "--no-deps", "--python", str(executable / "python"))
        if subprocess.run([*install, "--require-hashes", "-r", str(LOCK)], check=False).returncode:
            return f"! Python {python}: NOT CHECKED, the packages of the lock could not be had for it."
        run(*install, str(wheel))
        empty = place / "empty"
        empty.mkdir()
        run(str(executable / "stripe-cio"), "demo", "--fast", folder=empty)
    return f"Python {python}: the wheel installs, and its demo proves itself in an empty folder."


def try_with_uvx(wheel: Path, python: str) -> str:
    """Run the demo as somebody does who installs nothing, with the newest releases that the wheel's pins allow."""
    if not is_here(python):
        return f"! uvx under Python {python}: NOT CHECKED, there is none here."
    with tempfile.TemporaryDirectory() as empty:
        command = ("tool", "run", "--quiet", "--isolated", "--python", python, "--from", str(wheel))
        run(UV, *command, "stripe-cio", "demo", "--fast", folder=Path(empty))
    return f"uvx under Python {python}: the demo proves itself without an installation."


def is_here(python: str) -> bool:
    """Say whether this machine has this Python already."""
    return bool(run(UV, "python", "find", "--no-python-downloads", python, check=False).strip())


def _activate_all_of_pyenv() -> None:
    """Let uv find each Python that pyenv has: of its commands only those of active ones run."""
    if shutil.which("pyenv"):
        os.environ["PYENV_VERSION"] = ":".join(reversed(run("pyenv", "versions", "--bare").split()))


def notes(changelog: str, version: str) -> tuple[str, str]:
    """Give what the changelog says of a version, and where that was found."""
    sections = dict(re.findall(r"^## \[?([^\]\s]+)[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL))
    if version in sections:
        return sections[version].strip() + "\n", f"Notes: of {version}, from the changelog."
    return sections["Unreleased"].strip() + "\n", f"! Notes: of Unreleased, the changelog has no {version} yet."


def index_page(readme: str) -> str:
    """Make of the README what a package index can show: it has neither the pictures nor the pages beside it.

    The picture of a terminal becomes its text.
    """
    installed = re.sub(
        r"^    make demo( .*)\n    make test.*\n\nBoth need.*?empty folder\.",
        r"    pip install stripe-cio-pipeline\n    stripe-cio demo\1\n\nPython 3.11 or newer is all that it needs.",
        readme.replace(".venv/bin/stripe-cio", "stripe-cio"),
        count=1,
        flags=re.MULTILINE | re.DOTALL,
    )
    shown = re.sub(r"^!\[[^\]]*\]\(([^)]*\.svg)\)$", _as_text, installed, flags=re.MULTILINE)
    without_pictures = re.sub(r"^!\[[^\]]*\]\([^)]*\)\n\n?", "", shown, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", without_pictures)


def _as_text(picture: re.Match[str]) -> str:
    """Write what stands in a picture of a terminal as a block of code."""
    drawn = (ROOT / picture[1]).read_text(encoding="utf-8")
    lines: dict[int, str] = {}
    for start, number, text in _TEXT.findall(drawn):
        before = lines.get(int(number), "").ljust(round(float(start) / _COLUMN))
        lines[int(number)] = before + html.unescape(text).replace("\xa0", " ")
    return "\n".join(f"    {lines.get(number, '')}".rstrip() for number in range(max(lines) + 1))


def package_files() -> list[str]:
    """Name all files that the package needs to run, from the root of the repository."""
    package = ROOT / "stripe_cio_pipeline"
    return sorted(
        str(file.relative_to(ROOT)) for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    )


def wheel_names(wheel: Path) -> list[str]:
    """Name what is in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def sdist_names(sdist: Path) -> list[str]:
    """Name what is in an sdist, without its own folder."""
    with tarfile.open(sdist) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def missing_files(packed: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Say which files are not in an archive."""
    return [f"{name} is missing" for name in sorted(set(wanted) - set(packed))]


def licence_table(listed: Sequence[Mapping[str, str]]) -> str:
    """Write a page of what is in the image and under which licence."""
    rows = [f"| {each['Name']} | {each['Version']} | {each['License']} | {each['URL']} |" for each in listed]
    return "\n".join(["| package | version | licence | page |", "|---|---|---|---|", *rows, ""])


def licence_problems(listed: Sequence[Mapping[str, str]]) -> list[str]:
    """Say what is under a licence that does not go with this one, or under none that is told."""
    found = []
    for each in listed:
        # One of several may be chosen.
        choices = re.split(r"\bOR\b|;|/", each["License"])
        if each["License"] in ("", "UNKNOWN"):
            found.append(f"{each['Name']} {each['Version']} tells no licence")
        elif all(FORBIDDEN.search(choice) and not ALLOWED.search(choice) for choice in choices):
            found.append(f"{each['Name']} {each['Version']} is under {each['License']}")
    return found


def judge_audit(answer: str) -> tuple[list[str], str]:
    """Say what pip-audit found, and how much it could look up: what is in no database is not safe by that."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        dependencies = []
    looked_at = [each for each in dependencies if "skip_reason" not in each]
    unsafe = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no release'}"
        for each in looked_at
        for flaw in each["vulns"]
    ]
    if not looked_at:
        return [], "! Advisories: NOT CHECKED, no database of them can be had from here."
    of = f"{len(looked_at)} of {len(dependencies)}"
    return unsafe, f"Advisories: {of} packages were looked up, with {len(unsafe)} known flaws."


def uv(*arguments: str) -> None:
    """Run uv."""
    run(UV, *arguments)


def tool(name: str, *arguments: str, check: bool = True) -> str:
    """Run a tool of this environment, and give what it says on standard output."""
    return run(str(Path(sys.executable).parent / name), *arguments, check=check)


def run(*command: str, check: bool = True, folder: Path = Path(__file__).parents[1]) -> str:
    """Run a command. Ends the release where it fails and is not expected to."""
    # What an audit says beside its answer sounds like "all is well" where it could look nothing up.
    errors = None if check else subprocess.DEVNULL
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False, cwd=folder)
    if check and done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
