"""The policy file `stripe_cio.yaml`: what may be sent, how fast, and how people are told apart. No secrets.

Every key has a default, so no file is needed. A key that does not exist is an error that names it and the nearest
known one, because a misspelt guard would otherwise be no guard.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stripe_cio_pipeline import cron
from stripe_cio_pipeline.errors import PolicyError
from stripe_cio_pipeline.event_types import DEFAULT, check_choice, check_type, known_types
from stripe_cio_pipeline.wording import in_one_sentence, refusals

FILE_NAME = "stripe_cio.yaml"

#: Nothing that could end a line of a mail's heading.
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+|[^\s@<>,;]+@localhost")

_IN_SCHEMA: dict[str, Any] = {"pattern": f"^({_ADDRESS.pattern})$"}


class Section(BaseModel):
    """A part of the policy. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(Section):
    """Who is who: how a Stripe customer and a Customer.io person are held to be the same."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"strategy": {"const": "metadata"}}, "required": ["strategy"]},
            "then": {"required": ["metadata_key"]},
        }
    )

    strategy: Literal["stripe_id", "email", "metadata"] = Field(
        "stripe_id",
        description="stripe_id: the Customer.io id is the Stripe customer id; email: people are known by email; "
        "metadata: the id is in a Stripe metadata field",
    )
    metadata_key: str | None = Field(None, description="that metadata field, for the strategy metadata")
    settle_seconds: int = Field(
        30, ge=0, description="wait between an accepted link and anything addressed by the new id"
    )
    missing_after_hours: float = Field(
        6,
        gt=0,
        description="hours between two looks that do not find a person, before that is believed: answers may be "
        "partial, and after an incident Customer.io applies hours late",
    )
    merge: bool = Field(False, description="may two people in Customer.io be merged (irreversible there)")
    on_delete: Literal["keep", "delete", "suppress"] = Field(
        "keep", description="what happens to the person of a customer deleted in Stripe"
    )
    without_email: Literal["identify", "skip"] = Field(
        "identify", description="a customer without a usable email: identify by id alone, or skip and count"
    )

    @model_validator(mode="after")
    def _metadata_needs_its_key(self) -> "Identity":
        if self.strategy == "metadata" and not self.metadata_key:
            raise ValueError("strategy metadata needs identity.metadata_key, the name of the metadata field")
        return self


#: The most bytes that Customer.io takes as the name of an event.
_EVENT_NAME_BYTES = 100


def _stripes_or_patterns(schema: dict[str, Any]) -> None:
    # What an enum names is what its message shows, and that is to be no list of hundreds.
    known = {"anyOf": [{"enum": list(known_types())}, {"pattern": rf"^{DEFAULT}$|\*"}]}
    schema["items"] = {"if": known, "else": {"enum": [DEFAULT, "a Stripe event type", "a pattern with *"]}}


def _stripes(schema: dict[str, Any]) -> None:
    schema["propertyNames"] = {"if": {"enum": list(known_types())}, "else": {"enum": ["a Stripe event type"]}}


class Events(Section):
    """Which Stripe events are forwarded, under which names, and from when on."""

    forward: list[str] = Field(
        default_factory=lambda: [DEFAULT],
        description="Stripe event types to forward, by name (invoice.voided) or pattern (invoice.*); default stands "
        "for those of docs/events.md",
        json_schema_extra=_stripes_or_patterns,
    )
    names: dict[str, str] = Field(
        default_factory=dict,
        description="another name in Customer.io for a type; without one it is Stripe's own",
        json_schema_extra=_stripes,
    )
    since: Literal["install"] | datetime = Field(
        "install", description="forward events from this moment on: install, or an ISO time"
    )
    guests: Literal["skip", "email"] = Field(
        "skip",
        description="an event of somebody who paid as a guest: skip and count, or email, which sends it to whoever has "
        "the guest's email in Customer.io, and makes nobody",
    )

    @field_validator("forward")
    @classmethod
    def _types_are_stripes(cls, chosen: list[str]) -> list[str]:
        for each in chosen:
            check_choice(each)
        return chosen

    @field_validator("names")
    @classmethod
    def _names_fit(cls, names: dict[str, str]) -> dict[str, str]:
        # Customer.io trims them.
        trimmed = {kind: name.strip() for kind, name in names.items()}
        for kind, name in trimmed.items():
            check_type(kind)
            if not 0 < len(name.encode()) <= _EVENT_NAME_BYTES:
                raise ValueError(f"the name for {kind} must have 1 to {_EVENT_NAME_BYTES} bytes")
        return trimmed


class Guard(Section):
    """A plan that would send more than one of these, with what was sent lately, stops until it is approved."""

    first_load: Literal["approve", "send"] = Field(
        "approve", description="the first full load may start campaigns: ask first, or send"
    )
    max_changed_share: float = Field(
        0.2, ge=0, le=1, description="share of the known people that may change in an hour (from 100 people up)"
    )
    max_changed_people: int | None = Field(None, ge=0, description="number of people that may change in an hour")
    max_deleted_people: int = Field(100, ge=0, description="number of people that may be deleted in an hour")
    max_missing_share: float = Field(
        0.05, ge=0, le=1, description="share of the people whom verification may find removed at once (more than ten)"
    )
    max_reassigned_ids: int = Field(
        100, ge=0, description="number of people that may get another id than they have in an hour"
    )
    max_events: int = Field(10_000, ge=0, description="number of events that may be sent in an hour")
    times_a_day: float = Field(
        2, ge=1, description="how many times as much as in an hour may be sent in a day, before the guard asks"
    )


class StripeLimits(Section):
    """Stripe's own limits, in requests per second."""

    endpoint: float = Field(25, gt=0, description="for one endpoint")
    account: float | None = Field(None, gt=0, description="in all; empty: 100, or 25 in a sandbox account")


class Stripe(Section):
    """How Stripe is read."""

    rate_share: float = Field(0.8, gt=0, le=1, description="share of Stripe's limits that may be used")
    limits: StripeLimits = Field(default_factory=StripeLimits)
    poll_seconds: int = Field(300, ge=1, description="seconds between two looks for new events, at least")
    overlap_seconds: int = Field(
        600, ge=0, description="how far back a poll looks again, for events that became visible late"
    )
    monthly_reads: int = Field(
        10_000,
        ge=1,
        description="GET requests per 30 days that Stripe allots to you; looks take a third of them at most, so 10000 "
        "make it one every 13 minutes",
    )
    on_budget: Literal["warn", "pause"] = Field("warn", description="when these are used up: warn, or pause")
    leave_out: list[Literal["disputes", "credit_notes"]] = Field(
        default_factory=list,
        description="object types that are not read, disputes or credit_notes; what their attributes need is then not "
        "known, and the key needs no permission for them",
    )


class Customerio(Section):
    """How Customer.io is written to."""

    requests_per_second: float = Field(10, gt=0, description="calls per second")
    in_flight: int = Field(4, ge=1, le=64, description="calls under way at once")
    retry_rejected_hours: float | None = Field(
        None,
        gt=0,
        description="send rejected items again after so many hours, twice as many after each further rejection; empty: "
        "only when their content changes, or by stripe-cio retry",
    )
    removed_attribute: Literal["unset", "leave"] = Field(
        "unset", description="an attribute whose column was taken out of people.sql: unset it, or leave it"
    )
    oversize_value: Literal["drop", "truncate", "reject"] = Field(
        "drop",
        description="a value over 1,000 bytes: leave the attribute out, cut it at a character, or reject the person",
    )


class Models(Section):
    """Where the user's own SQL stands."""

    folder: Path | None = Field(
        None,
        description="folder with SQL files that replace or extend the built-in ones; empty: models beside the file",
    )


def _cron(line: str, description: str) -> Any:
    return Field(line, description=description, json_schema_extra={"pattern": cron.FORM})


class Schedule(Section):
    """Cron lines, in UTC."""

    sync: str = _cron("0 * * * *", "full sync, as a safety net under the sensor")
    reconcile: str = _cron("0 3 * * 0", "full comparison with Stripe")
    verify: str = _cron("30 4 * * *", "read people back from Customer.io")
    overview: str = _cron("45 5 * * *", "draw the pictures of model/overview")
    tidy: str = _cron("0 2 * * 0", "take away what retention says has grown old")

    @field_validator("*")
    @classmethod
    def _comes_due(cls, value: str) -> str:
        if said := cron.objection(value):
            raise ValueError(said)
        return value


class Alerts(Section):
    """When to tell of a change for the worse, or back. Where to: STRIPE_CIO_ALERT_WEBHOOK, STRIPE_CIO_SMTP_URL."""

    mail_to: list[str] = Field(
        default_factory=list,
        description="mail addresses; needs STRIPE_CIO_SMTP_URL",
        json_schema_extra={"items": _IN_SCHEMA},
    )
    mail_from: str | None = Field(None, description="sender of these mails", json_schema_extra=_IN_SCHEMA)

    @field_validator("mail_to", "mail_from")
    @classmethod
    def _are_addresses(cls, value: list[str] | str | None) -> list[str] | str | None:
        for address in [value] if isinstance(value, str) else value or []:
            if not _ADDRESS.fullmatch(address):
                raise ValueError("must be mail addresses such as you@example.com")
        return value

    max_rejected: int = Field(0, ge=0, description="rejected items in one run above which to tell")
    stale_minutes: int = Field(
        180,
        ge=1,
        description="minutes without a finished sync, or that an event of a webhook has waited, above which to tell",
    )


class Retention(Section):
    """How long is kept what nothing needs any more. `stripe-cio tidy` and the weekly schedule take it away."""

    events_days: int = Field(
        90, ge=31, description="days after which the data of Stripe events goes that were sent, or that nobody forwards"
    )
    requests_days: int = Field(90, ge=1, description="days after which the log of calls to Customer.io goes")
    operations_days: int = Field(
        365,
        ge=31,
        description="days after which former writes go with their answers, but for removals and the last write of each "
        "attribute; and runs, plans, findings and proofs of completeness but for the last",
    )
    dagster_days: int = Field(
        90,
        ge=1,
        description="days after which runs go from Dagster's storage with their events and logs, but for the last",
    )


class Policy(Section):
    """The whole file."""

    identity: Identity = Field(default_factory=Identity)
    events: Events = Field(default_factory=Events)
    guard: Guard = Field(default_factory=Guard)
    stripe: Stripe = Field(default_factory=Stripe)
    customerio: Customerio = Field(default_factory=Customerio)
    models: Models = Field(default_factory=Models)
    schedule: Schedule = Field(default_factory=Schedule)
    alerts: Alerts = Field(default_factory=Alerts)
    retention: Retention = Field(default_factory=Retention)


def known_keys(section: type[BaseModel] = Policy, prefix: str = "") -> Iterator[str]:
    """Name every key of the policy, dotted."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from known_keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def load_policy(path: Path | None = None) -> Policy:
    """Read the policy file, or give the defaults where `path` is None and none stands in the working directory.

    Raises PolicyError that names the file, the key and, for an unknown key, the nearest known one.
    """
    named = path is not None
    file = path or Path(FILE_NAME)
    if not file.exists():
        if named:
            raise PolicyError(
                f"The policy file {file} does not exist.",
                "Correct STRIPE_CIO_CONFIG, or make one with stripe-cio init.",
            )
        return Policy()
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        mark = getattr(broken, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        if "'\\t'" in str(getattr(broken, "problem", "")):
            raise PolicyError(
                f"{file} has a tab{where}, and YAML is indented with spaces alone.", "Put spaces in its place."
            ) from None
        raise PolicyError(f"{file} is not readable YAML{where}.", "Correct it there.") from None
    except OSError as refused:
        raise PolicyError(
            f"{file} cannot be read ({refused.strerror}).", "Put a file there that you may read."
        ) from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise PolicyError(f"{file} does not hold a mapping.", "Write sections such as `guard:` with keys below them.")
    return place_models(parse_policy(content, str(file), text), file.parent)


def place_models(policy: Policy, beside: Path) -> Policy:
    """Name the models folder of a policy that is in the folder `beside`: by default `models` there, if it exists."""
    folder = policy.models.folder
    if folder is not None and not folder.is_absolute():
        folder = beside / folder
    elif folder is None and (beside / "models").is_dir():
        folder = beside / "models"
    return policy.model_copy(update={"models": Models(folder=folder)})


def parse_policy(content: dict[str, Any], source: str = FILE_NAME, text: str = "") -> Policy:
    """Check a mapping against the policy. `source` names the file in messages, `text` is what stands in it.

    Raises PolicyError, with the line of each mistake where there is a text.
    """
    try:
        return Policy.model_validate({name: part for name, part in content.items() if part is not None})
    except ValidationError as invalid:
        found = "; ".join(f"{_line_of(steps, text)}{said}" for steps, said in _objections(invalid.errors()))
        raise PolicyError(f"{source}: {found}.", "Correct the file.") from None


def _objections(errors: Sequence[Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Say what is wrong, each with the keys and positions that lead to it."""
    known = [*known_keys(), *Policy.model_fields]
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    for error in unknown:
        key = ".".join(str(part) for part in error["loc"])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        yield error["loc"], f"{key} is not a known key" + (f" (nearest: {near[0]})" if near else "")
    names = {part for key in known for part in key.split(".")}
    for steps, said in refusals([error for error in errors if error not in unknown], names).items():
        key = ".".join(step for step in steps if isinstance(step, str))
        item = "".join(f", item {step + 1}" for step in steps if isinstance(step, int))
        yield steps, f"{key or 'the file'}{item}: {in_one_sentence(said, _default_of(key))}"


def _line_of(steps: Sequence[str | int], text: str) -> str:
    """Find the line of a key or of an item of a list, or of the nearest one that leads to it."""
    node, line = yaml.compose(text, Loader=yaml.SafeLoader) if text else None, 0
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            inside = {key.value: (key, value) for key, value in node.value}
        elif isinstance(node, yaml.SequenceNode):
            inside = {position: (item, item) for position, item in enumerate(node.value)}
        else:
            break
        if step not in inside:
            break
        place, node = inside[step]
        line = place.start_mark.line + 1
    return f"line {line}: " if line else ""


def _default_of(key: str) -> Any:
    """Give what stands there by default, as an example. Of a section and of a list there is none to show."""
    value: Any = Policy()
    for name in filter(None, key.split(".")):
        value = getattr(value, name, None)
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None
