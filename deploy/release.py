"""`make release`: archives that were looked into, what is in the image, under which licences, and what is known of it.

In `dist/` afterwards: the two archives, `sbom.cdx.json` (CycloneDX, of the locked environment of the image with this
release in it) and `licences.md`.
"""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
LOCK = ROOT / "requirements-deploy.lock"
#: The environment of the image, made anew.
IMAGE = ROOT / ".venv-release"

#: A licence of something that is linked into the same program and asks that its source be under the same one.
FORBIDDEN = re.compile(r"\b(AGPL|GPL|Affero|GNU General Public)", re.IGNORECASE)
ALLOWED = re.compile(r"LGPL|Lesser General Public|Library General Public", re.IGNORECASE)


def main() -> int:
    """Make everything. Gives 1 where something is not as it should be."""
    DIST.mkdir(exist_ok=True)
    for old in DIST.iterdir():
        old.unlink()
    uv("build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(DIST), str(ROOT))
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    problems = [f"{wheel.name}: {what}" for what in missing_files(wheel_names(wheel), package_files())]
    problems += [f"{sdist.name}: {what}" for what in missing_files(sdist_names(sdist), [*package_files(), "LICENSE"])]

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
    run(str(Path(sys.executable).parent / "uv"), *arguments)


def tool(name: str, *arguments: str, check: bool = True) -> str:
    """Run a tool of this environment, and give what it says on standard output."""
    return run(str(Path(sys.executable).parent / name), *arguments, check=check)


def run(*command: str, check: bool = True) -> str:
    """Run a command. Ends the release where it fails and is not expected to."""
    # What an audit says beside its answer sounds like "all is well" where it could look nothing up.
    errors = None if check else subprocess.DEVNULL
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False, cwd=ROOT)
    if check and done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
