"""What is written on an event that Stripe has signed: which one it is, and whose. Pure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

#: No id or name of Stripe's is longer.
_MOST_LETTERS = 255

_HALF_PAIR = re.compile("[\ud800-\udfff]")

#: `own`: of our account and mode. `elsewhere`: of another account or mode. `thin`: it names an object and does not show
#: it (v2), which is for endpoints that ask for it; the poll finds what it tells of.
Belongs = Literal["own", "elsewhere", "thin"]


class Unreadable(Exception):
    """It is signed, and no event."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose events are taken: the account (None: not known yet), the mode, and whether it is a connected account."""

    account: str | None
    livemode: bool
    connected: bool

    def judge(self, account: str | None, livemode: bool | None) -> Belongs:
        """Say whether an event is ours. One without `account` is of the account that the endpoint belongs to."""
        if livemode is not self.livemode:
            return "elsewhere"
        if account is None:
            return "elsewhere" if self.connected else "own"
        return "own" if account == self.account else "elsewhere"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as it arrived. `sent_at` is the signature's moment, by Stripe's clock. `body` is kept of our own."""

    id: str
    type: str
    created: int
    account: str | None
    livemode: bool | None
    belongs: Belongs
    sent_at: int
    body: bytes = field(repr=False)


def open_envelope(body: bytes, sent_at: int, owner: Owner) -> Envelope:
    """Read what a signed body says of itself. Raises Unreadable."""
    event, body = _read(body)
    if not isinstance(event, dict):
        raise Unreadable
    thin = event.get("object") == "v2.core.event"
    created = sent_at if thin else event.get("created")
    data = event.get("data")
    shows = isinstance(data, dict) and isinstance(data.get("object"), dict)
    if not (thin or (event.get("object") == "event" and shows)):
        raise Unreadable
    if not isinstance(created, int) or isinstance(created, bool) or not 0 <= created < 2**40:
        raise Unreadable
    account, livemode = event.get("account"), event.get("livemode")
    account = _name(account) if isinstance(account, str) else None
    livemode = livemode if isinstance(livemode, bool) else None
    belongs: Belongs = "thin" if thin else owner.judge(account, livemode)
    return Envelope(
        id=_name(event.get("id")),
        type=_name(event.get("type")),
        created=created,
        account=account,
        livemode=livemode,
        belongs=belongs,
        sent_at=sent_at,
        body=body if belongs == "own" else b"",
    )


def _read(body: bytes) -> tuple[Any, bytes]:
    """Parse a body; gives it in a form that can be stored, too."""
    try:
        return orjson.loads(body), body
    except orjson.JSONDecodeError:
        pass
    try:
        # Half of a surrogate pair may stand in JSON as an escape, and is no character that could be stored.
        text = _HALF_PAIR.sub("\ufffd", json.dumps(json.loads(body), ensure_ascii=False)).encode()
        return orjson.loads(text), text
    except (ValueError, RecursionError):
        raise Unreadable from None


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_LETTERS or not value.isascii():
        raise Unreadable
    return value
