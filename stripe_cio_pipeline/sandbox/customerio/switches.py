"""What the fake Customer.io can be told to do, where the real one's behaviour is configurable or unknown.

Where documents disagree, or say nothing, the default is the choice that is harder on the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Self

_CHOICES: dict[str, tuple[Any, ...]] = {
    "id_reassignment": ("fail", "reassign"),
    "invalid_email": ("silent", "reject"),
    "stale_timestamps": ("drop", "keep"),
    "stale_scope": ("attribute", "profile"),
    "dedupe_scope": ("workspace", "person"),
    "invalid_ulid": ("ignore", "reject"),
    "all_invalid_status": (207, 400),
    "activities_of_deleted": ("listed", "asked"),
    "unknown_object_type": ("silent", "reject"),
    "kilobyte": (1000, 1024),
    "region": ("us", "eu"),
    "host_region": ("us", "eu", None),
    "redirect_status": (301, 302, 307, 308),
}

AWKWARD: Mapping[str, Any] = MappingProxyType(
    {
        "lagging_share": 0.1,
        "left_out_share": 0.1,
        "activities_of_deleted": "asked",
        "malformed_applies_rest": False,
        "phone_identifiers": True,
        "stale_scope": "attribute",
        "stale_logged": False,
    }
)
"""A workspace that is as awkward as the documents allow, beyond the defaults: each may be taken alone as well.

A caller who is right notices nothing but time. ``stale_scope`` has no harder side, and is here because the default
is the other one.
"""


@dataclass(slots=True)
class CustomerioSwitches:
    """Live switches of one workspace; each may be changed while the server runs (ValueError: no such position).

    Times are seconds of machine time, sizes are bytes, rates are requests per second.

    Asynchrony: ``apply_delay_seconds`` is a number or a (least, most) pair from which each accepted operation
    draws its own delay; ``shuffle`` lets operations overtake each other, and ``shuffle_within_call`` those of one
    call about one person too; ``reads_lag_seconds`` is how old the App API's answers are. A ``lagging_share`` of the
    people waits for ``lagging_seconds`` longer than others, each for a time of their own, and who is named in ``lags``
    (identifier → seconds) for that long.

    Reading: lists of people leave out a ``left_out_share`` of those who are there, each for ``left_out_seconds`` and
    then not again for a day; ``activities_of_deleted`` (are the activities of people who were deleted since
    ``listed`` with all others, or only where ``deleted=true`` has ``asked`` for them).

    Identity: ``auto_merge`` (on in workspaces made since September 2021), ``allow_email_update_by_id`` (the
    setting "Allow updates to email using ID"), ``id_reassignment`` (what a new id for somebody who has one
    does: the documents disagree), ``conflict_applies_rest`` (are the other attributes of an identify kept when
    its identifier is refused: not documented), ``invalid_email`` (is a malformed email or phone refused in the
    answer, or only in the activity log: not documented), ``malformed_applies_rest`` (is somebody new made without
    the malformed one), ``unicode_emails`` (are letters beyond ASCII taken in addresses: not documented),
    ``email_identifiers``, ``phone_identifiers`` (kinds that the workspace has enabled),
    ``phone_claims`` (is somebody found by the phone among the attributes, as they are by id and email).

    Updates: ``stale_timestamps`` (``drop`` discards what is older than the latest edit; ``keep`` applies it),
    ``stale_scope`` (the latest edit of that attribute or of the profile), ``stale_logged`` (is what was dropped told
    as a ``skipped_update`` activity).

    Events: ``dedupe_scope`` (is a repeated event id one of the workspace or of the person), ``invalid_ulid``
    (``ignore`` the id, so that nothing is deduplicated, or ``reject`` the operation), ``campaign_hours``.

    Objects: ``object_types`` (numbers of the types that the workspace has, as strings), ``unknown_object_type`` (is
    one of another type refused in the answer, or nowhere: not documented), ``relationships_create`` (does relating a
    person to an object make whichever of them is unknown: not documented).

    Answers: ``all_invalid_status`` (a batch in which every operation is bad: 207 or 400), ``kilobyte`` (1000 or
    1024: the documents say "kb"), ``max_operations`` (none is documented), ``refuse`` (identifier value →
    message: operations for these people are listed in a 207), ``acceptor_only`` (parse, count, answer; nothing
    is validated or kept), ``latency_seconds``, ``requests_per_second`` (Track API) and
    ``app_requests_per_second``, where none switches a limit off, and ``track_retry_after`` (does a Track 429
    carry a Retry-After, in seconds: none is documented).

    Place: ``region`` is the account's, ``host_region`` the one whose host this server plays (none: the same);
    ``redirect_status`` answers an EU account on the US host.
    """

    apply_delay_seconds: float | tuple[float, float] = (0.05, 0.2)
    shuffle: bool = True
    shuffle_within_call: bool = True
    lagging_share: float = 0.0
    lagging_seconds: tuple[float, float] = (1800.0, 10800.0)
    lags: dict[str, float] = field(default_factory=dict)
    reads_lag_seconds: float = 0.1

    left_out_share: float = 0.0
    left_out_seconds: float = 1800.0
    activities_of_deleted: Literal["listed", "asked"] = "listed"

    auto_merge: bool = True
    allow_email_update_by_id: bool = False
    id_reassignment: Literal["fail", "reassign"] = "fail"
    conflict_applies_rest: bool = False
    invalid_email: Literal["silent", "reject"] = "silent"
    malformed_applies_rest: bool = True
    unicode_emails: bool = False
    email_identifiers: bool = True
    phone_identifiers: bool = False
    phone_claims: bool = True

    stale_timestamps: Literal["drop", "keep"] = "drop"
    stale_scope: Literal["attribute", "profile"] = "profile"
    stale_logged: bool = True

    dedupe_scope: Literal["workspace", "person"] = "workspace"
    invalid_ulid: Literal["ignore", "reject"] = "ignore"
    campaign_hours: float = 72.0

    object_types: tuple[str, ...] = ("1",)
    unknown_object_type: Literal["silent", "reject"] = "silent"
    relationships_create: bool = True

    all_invalid_status: Literal[207, 400] = 207
    kilobyte: Literal[1000, 1024] = 1000
    max_operations: int | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    acceptor_only: bool = False
    latency_seconds: float = 0.0
    requests_per_second: float | None = 1000.0
    app_requests_per_second: float | None = 10.0
    track_retry_after: int | None = None

    region: Literal["us", "eu"] = "us"
    host_region: Literal["us", "eu"] | None = None
    redirect_status: Literal[301, 302, 307, 308] = 301
    environment_id: int = 100_001
    site_id: str = "sandbox-site"
    track_api_key: str = "sandbox-track"
    app_api_key: str = "sandbox-app"

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse a value that the switch does not have; raises ValueError naming those it has."""
        choices = _CHOICES.get(name)
        if choices is not None and value not in choices:
            known = ", ".join(repr(choice) for choice in choices)
            raise ValueError(f"the switch {name} has the positions {known}, not {value!r}")
        object.__setattr__(self, name, value)

    @classmethod
    def awkward(cls) -> Self:
        """Give a workspace with everything of ``AWKWARD``."""
        return cls(**AWKWARD)

    @classmethod
    def gentle(cls) -> Self:
        """Give a workspace for tests that do not care: applied at once, in order, without limits."""
        return cls(
            apply_delay_seconds=0.0,
            shuffle=False,
            reads_lag_seconds=0.0,
            allow_email_update_by_id=True,
            conflict_applies_rest=True,
            stale_scope="attribute",
            requests_per_second=None,
            app_requests_per_second=None,
        )

    def identifiers(self) -> tuple[str, ...]:
        """Kinds of identifier that this workspace has besides ``cio_id``; other such names are attributes."""
        email = ("email",) if self.email_identifiers else ()
        phone = ("phone",) if self.phone_identifiers else ()
        return ("id", *email, *phone)

    def delay_bounds(self) -> tuple[float, float]:
        """Least and most seconds between accepting an operation and applying it."""
        delay = self.apply_delay_seconds
        if isinstance(delay, int | float):
            return float(delay), float(delay)
        least, most = delay
        return float(least), float(most)
