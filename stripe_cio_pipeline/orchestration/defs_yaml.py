"""What may stand in a `defs.yaml`, attribute by attribute, so that `dg check yaml` refuses the rest by file and line.

Dagster derives a schema from the types of a component's fields and lets any text stand for a value, because it may be a
template. Here each attribute has a rule of its own, which only a template passes by, and which holds when the file is
loaded too.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import yaml
from dagster.components.resolved.core_models import AssetAttributesModel
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic import create_model as make_model
from pydantic_core import core_schema

from stripe_cio_pipeline.errors import PolicyError
from stripe_cio_pipeline.policy import Policy, load_policy, parse_policy
from stripe_cio_pipeline.settings import SECRETS, Settings

#: A variable of the environment, as Dagster writes it in a template.
VARIABLE = r"^\{\{ *env\.([A-Za-z_][A-Za-z0-9_]*) *\}\}$"

#: A policy, wrapped so that Dagster does not look for types of its own in it.
OpaquePolicy = Annotated[Policy, "read by resolve_policy"]

_TEMPLATE = {"type": "string", "pattern": r"\{\{.*\}\}"}
_FILES = ("defs.yaml", "defs.yml", "component.yaml")
_PROJECTS = ("pyproject.toml", "dg.toml")


def _text(pattern: str) -> Any:
    return Annotated[str, StringConstraints(pattern=pattern)]


@dataclass(frozen=True, slots=True)
class _OrTemplate:
    """Lets a template stand for a value, and nothing where that is the default. All else must keep the rule."""

    nullable: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def check(value: Any, rule: core_schema.ValidatorFunctionWrapHandler) -> Any:
            is_template = isinstance(value, str) and "{{" in value
            return value if is_template or (value is None and self.nullable) else rule(value)

        return core_schema.no_info_wrap_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        free = [_TEMPLATE, {"type": "null"}] if self.nullable else [_TEMPLATE]
        return {"if": {"anyOf": free}, "else": handler(schema)}


#: Settings that the component has attributes for.
PLACES = frozenset({"home", "warehouse", "config"})

#: Settings that `settings` may name, and whether each is a secret.
GIVEN = {name: name in SECRETS for name in Settings.model_fields if name not in PLACES}


def _hide(value: Any) -> Any:
    """Put a mark in the place of what may be a key, because an error repeats what is wrong."""
    return value if re.search(VARIABLE, str(value)) else "…"


def _settings_model() -> type[BaseModel]:
    """Make the form of `settings`: a secret is the name of a variable, and never a key."""
    fields: dict[str, Any] = {}
    for name, is_secret in GIVEN.items():
        kind = Annotated[_text(VARIABLE), BeforeValidator(_hide)] if is_secret else Annotated[str, _OrTemplate()]
        fields[name] = (kind, Field(default=None, description=Settings.model_fields[name].description))
    return make_model("SettingsInYaml", __config__=ConfigDict(extra="forbid"), **fields)


#: The rule of each attribute. Names and labels are Dagster's own rules.
_RULES: Mapping[str, Any] = {
    "prefix": _text(r"^([A-Za-z][A-Za-z0-9_]*)?$"),
    "environment_prefix": _text(r"^([A-Za-z_][A-Za-z0-9_]*)?$"),
    "warehouse": _text(r"^[^:]+$"),
    "home": _text(r"^.+$"),
    "config": _text(r"\.ya?ml$"),
    "policy": Policy,
    "settings": _settings_model(),
    "owners": list[_text(r"^(team:.+|[^@\s]+@[^@\s]+\.[^@\s]+)$")],  # type: ignore[misc]
    "tags": dict[_text(r"^([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}$"), _text(r"^[A-Za-z0-9_.-]{0,63}$")],  # type: ignore[misc]
    "running": bool,
    "translation": AssetAttributesModel,
}


@cache
def checked(component: type[BaseModel], derived: type[BaseModel]) -> type[BaseModel]:
    """Give the model of a component's attributes with the rules above, and the descriptions of its fields.

    `derived` is the one that Dagster makes. Attributes that a project's own component adds are left as they are.
    """
    fields: dict[str, Any] = {}
    for name, rule in _RULES.items():
        default = derived.model_fields[name].default
        field = Field(default=default, description=component.model_fields[name].description)
        fields[name] = (Annotated[rule, _OrTemplate(nullable=default is None)], field)
    made = make_model(derived.__name__, __base__=derived, **fields)
    made.model_config["json_schema_extra"] = lambda schema: _complete(schema, component.__name__)
    return made


def _complete(schema: dict[str, Any], component: str) -> None:
    """Add what types do not say: that a policy stands in one place, and that its file is there and is right."""
    schema["properties"]["tags"]["else"]["additionalProperties"] = False
    schema["dependentSchemas"] = {"policy": {"properties": {"config": {"enum": ["nothing beside policy"]}}}}
    named = {(name, folder): find_policy(folder, name) for name, folder in _named_files(component)}
    wrong = {name: said for (name, _), file in named.items() if file and (said := _objection(file))}
    if all(named.values()) and not wrong:
        return
    beside = {file.name for (_, folder), found in named.items() if found is None for file in folder.glob("*.y*ml")} - {
        *_FILES
    }
    right = {name for (name, _), file in named.items() if file}.union(beside) - {*wrong}
    # What is allowed is all that Dagster shows of a rule that is broken.
    schema["properties"]["config"]["else"]["enum"] = [
        *sorted(right),
        *(f"a policy file without mistakes ({said})" for said in wrong.values()),
    ] or ["a policy file beside this one"]


def _objection(file: Path) -> str:
    """Say what is wrong in a policy file, with its lines, or nothing."""
    try:
        load_policy(file)
    except PolicyError as wrong:
        return wrong.what.removesuffix(".")
    return ""


def _named_files(component: str) -> Iterator[tuple[str, Path]]:
    """Find what the files of this project name as `config`, with the folder of each."""
    for file in _defs_files(Path.cwd()):
        try:
            documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue  # Dagster tells of it
        for document in documents:
            attributes = document.get("attributes") if isinstance(document, dict) else None
            if not isinstance(attributes, dict) or str(document.get("type")).rpartition(".")[2] != component:
                continue
            named = attributes.get("config")
            if isinstance(named, str) and "{{" not in named:
                yield named, file.parent


def resolve_policy(context: dg.ResolutionContext, given: Any) -> Policy | None:
    """Read the attribute `policy`, with templates filled in. Raises PolicyError."""
    values = given.model_dump(mode="json", exclude_unset=True) if isinstance(given, Policy) else given
    found = context.resolve_value(values)
    return found if found is None or isinstance(found, Policy) else parse_policy(dict(found), "policy")


def resolve_settings(context: dg.ResolutionContext, given: Any) -> dict[str, Any]:
    """Read the attribute `settings`. A variable stays its name, so that its value is in no definition."""
    values = given.model_dump(exclude_unset=True) if isinstance(given, BaseModel) else given
    return {
        name: dg.EnvVar(found[1]) if (found := re.search(VARIABLE, str(value))) else context.resolve_value(value)
        for name, value in values.items()
    }


def find_policy(folder: Path, named: str) -> Path | None:
    """Give the policy file that a defs.yaml in a folder names: beside it, or from the working directory."""
    return next((path for path in (folder / named, Path(named)) if path.is_file()), None)


def _defs_files(inside: Path) -> Iterator[Path]:
    """Find the files with components of the project that a folder is in."""
    roots = [folder for folder in (inside, *inside.parents) if any((folder / name).exists() for name in _PROJECTS)]
    for folder, folders, files in os.walk(roots[0]) if roots else ():
        # Neither an environment nor what is hidden is searched.
        folders[:] = [name for name in folders if name[0] not in "._" and name != "node_modules"]
        if "pyvenv.cfg" in files:
            folders.clear()
        yield from (Path(folder, name) for name in _FILES if name in files)
