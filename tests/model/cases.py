"""The cases in tests/data/attributes and tests/data/money, each as an account of its own."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parent.parent / "data"
_ID = re.compile(r"^(cus|sub|si|in|il|ch|prod|price|plan|coupon|di|pm|dp|cn|inpay|txr|evt)_(\d+|once|repeating)$")


@dataclass(frozen=True, slots=True)
class Case:
    """Objects by type, the attributes that people have then, and the data of events."""

    file: str
    name: str
    objects: dict[str, list[dict[str, Any]]]
    expect: dict[str, dict[str, Any]]
    events: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apart(self, number: int) -> "Case":
        """Give the case with ids and emails of its own, so that all can stand in one warehouse."""
        return Case(
            self.file,
            self.name,
            apart(self.objects, number),
            apart(self.expect, number),
            apart(self.events, number),
        )


def apart(value: Any, number: int) -> Any:
    """Give objects ids and emails of their own, so that several accounts can stand side by side in one warehouse."""
    if isinstance(value, dict):
        return {_ID.sub(rf"\g<0>x{number}", key): apart(part, number) for key, part in value.items()}
    if isinstance(value, list):
        return [apart(part, number) for part in value]
    if isinstance(value, str):
        return _ID.sub(rf"\g<0>x{number}", value).replace("@example.com", f"@case-{number}.example.com")
    return value


def together(cases: list[Case]) -> dict[str, list[dict[str, Any]]]:
    """Give the objects of all cases by type."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        for kind, objects in case.objects.items():
            kinds.setdefault(kind, []).extend(objects)
    return kinds


@cache
def raw_cases() -> list[Case]:
    """Give the cases as they are written. They are only read: the page of attributes asks for them once each."""
    return [
        Case(file.stem, case["case"], case["objects"], case["expect"])
        for file in sorted((DATA / "attributes").glob("*.yaml"))
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]


def load_cases() -> list[Case]:
    """Give the cases apart from each other."""
    return [case.apart(number) for number, case in enumerate(raw_cases())]


@cache
def money_cases() -> list[Case]:
    """Give the cases of money as they are written: a folder each, with raw objects, what is right, and why."""
    found = []
    for folder in sorted((DATA / "money").iterdir()):
        objects = json.loads((folder / "input.json").read_text(encoding="utf-8"))
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        assert set(expected) - {"why"} <= {"people", "events"}, folder.name
        assert expected["why"], folder.name
        name = re.sub(r"^e?\d+-", "", folder.name).replace("-", " ")
        found.append(Case(folder.name, name, objects, expected.get("people", {}), expected.get("events", {})))
    return found
