"""requirements.lock holds all that pyproject.toml asks for, and all that this asks for in turn."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?:\s*;\s*(.+?))?\s*\\$", re.MULTILINE)


def asked() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])]


def pins() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version, _ in PIN.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_the_lock_has_a_fitting_version_of_everything_that_is_asked_for() -> None:
    locked = pins()
    waiting, seen = asked(), set()
    unmet = []
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if not any(one.specifier.contains(version, prereleases=True) for version in locked.get(name, [])):
            unmet.append(str(one))
        for extra in (one.extras or {""}) | {""}:
            if (name, extra) in seen or name not in locked:
                continue
            seen.add((name, extra))
            inner = [Requirement(text) for text in requires(name) or ()]
            waiting += [need for need in inner if need.marker is None or need.marker.evaluate({"extra": extra})]

    assert unmet == []
    assert len(seen) > 40, "the lock was not followed"


def test_every_line_of_the_lock_has_its_hash_and_none_an_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert [block.splitlines()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []
    assert "://" not in text
