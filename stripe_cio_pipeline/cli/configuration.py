"""The configuration written out from where it is declared, so that there is no second copy to keep in step.

That is `stripe_cio.yaml`, `.env`, and the tables of docs/configuration.md.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import NEEDED, READ_AS, SECRETS, Settings

_LINE = 100
_GENERATED = re.compile(r"(<!-- generated: (?P<table>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable. `default` is its text, empty where there is none."""

    name: str
    meaning: str
    default: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the policy file, dotted."""

    name: str
    meaning: str
    default: Any


def variables() -> Iterator[Variable]:
    """Give every environment variable: those that are needed first, then in the order of declaration."""
    found = [
        Variable(
            name=READ_AS[name].upper(),
            meaning=field.description or "",
            default="" if field.default is None else str(field.default),
            secret=name in SECRETS,
        )
        for name, field in Settings.model_fields.items()
    ]
    yield from sorted(found, key=lambda variable: variable.name not in NEEDED)


def keys(section: type[BaseModel] = Policy, prefix: str = "") -> Iterator[Key]:
    """Give every key of the policy in the order of its declaration."""
    for name, field in section.model_fields.items():
        if (below := _section(field)) is not None:
            yield from keys(below, f"{prefix}{name}.")
        else:
            yield Key(f"{prefix}{name}", field.description or "", field.get_default(call_default_factory=True))


def policy_yaml() -> str:
    """Write the policy file with every key, its default and its meaning."""
    head = [
        "# What may be sent, how fast, and how people are told apart. No secrets here: those are in the environment.",
        "# Every key is optional, and is shown with its default. A key that does not exist is an error.",
    ]
    return "\n".join([*head, *_yaml_section(Policy, 0)]) + "\n"


def environment_example() -> str:
    """Write a `.env` file to fill in: what is needed stands first and empty, the rest is commented out."""
    lines = [
        "# Keep this file to yourself and out of version control. Variables of the shell win over it.",
        "",
        f"# Needed: fill in these {len(NEEDED)}.",
    ]
    below = {variable.name: variable for variable in variables()}
    for name in NEEDED:
        lines += _assignment(below.pop(name), commented="")
    lines += ["", "# Optional: each has a default. Remove the # in front of what you set."]
    for variable in below.values():
        lines += _assignment(variable, commented="# ")
    return "\n".join(lines) + "\n"


def _assignment(variable: Variable, *, commented: str) -> list[str]:
    return ["", *_comment(variable.meaning, ""), f"{commented}{variable.name}={variable.default}"]


def environment_table() -> str:
    """Write the table of environment variables in Markdown."""
    rows = [
        f"| `{variable.name}` | {_cell(variable.meaning)} | "
        f"{'needed' if variable.name in NEEDED else _code(variable.default)} | "
        f"{'yes' if variable.secret else ''} |"
        for variable in variables()
    ]
    return "\n".join(["| variable | meaning | default | secret |", "|---|---|---|---|", *rows]) + "\n"


def policy_table() -> str:
    """Write the table of policy keys in Markdown."""
    rows = [f"| `{key.name}` | {_cell(key.meaning)} | {_code(_scalar(key.default))} |" for key in keys()]
    return "\n".join(["| key | meaning | default |", "|---|---|---|", *rows]) + "\n"


def renew(page: str) -> str:
    """Put the present tables between the marks `<!-- generated: NAME -->` and `<!-- end -->` of a page."""
    tables = {"environment": environment_table, "policy": policy_table}
    return _GENERATED.sub(lambda mark: f"{mark[1]}{tables[mark['table']]()}{mark[3]}", page)


def _yaml_section(section: type[BaseModel], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in section.model_fields.items():
        below = _section(field)
        if depth == 0:
            yield ""
        if below is not None:
            yield from _comment((below.__doc__ or "").strip().splitlines()[0], indent)
            yield f"{indent}{name}:"
            yield from _yaml_section(below, depth + 1)
        else:
            yield from _comment(field.description or "", indent)
            value = _scalar(field.get_default(call_default_factory=True))
            yield f"{indent}{name}: {value}".rstrip()


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _LINE, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _scalar(value: Any) -> str:
    """Write a value as YAML on one line; nothing for none."""
    if value is None:
        return ""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"
