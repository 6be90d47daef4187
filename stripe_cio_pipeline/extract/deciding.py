"""What to do about an object that events speak of: pure, and proved in docs/extraction.md.

Three clocks meet here, all Stripe's and all in whole seconds: `created` of an event, the `Date` of an answer (`as_of`
of a row that a list or a retrieve gave), and `created` of the event whose snapshot a row holds (`as_of` of such a row).
Beside the `Date` stands this machine's clock: an answer is taken to be as old as either says, for either may be wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

#: No request lasts longer than the transport allows (30 s) plus the second by which `Date` is rounded down. An event
#: older than a row's `as_of` by more than this was certainly seen by the request that gave the row.
READ_MARGIN_SECONDS = 31

SignalKind = Literal["snapshot", "removal", "touch"]


@dataclass(frozen=True, slots=True)
class Signal:
    """What one event says of one object.

    `snapshot`: the object itself, in `usable` form or not (another API version, a field missing). `removal`: it is
    gone. `touch`: something was changed that shows in it. `content_hash` is that of the snapshot.
    """

    event_id: str
    created: int
    kind: SignalKind
    usable: bool
    content_hash: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of the row: since when it is true, and how we know.

    `asked` is when its answer was asked for, by this machine's clock; None for a row of an event, or where that clock
    has nothing to do with Stripe's (a sandbox).
    """

    as_of: int
    source: str
    deleted: bool
    asked: int | None = None

    @property
    def earliest(self) -> int:
        """The moment from which on it may not show what happened, whichever clock is right."""
        return self.as_of if self.asked is None else min(self.as_of, self.asked)

    @property
    def latest(self) -> int:
        """The moment up to which it may show what happened, whichever clock is right."""
        return self.as_of if self.asked is None else max(self.as_of, self.asked)


class Step(Enum):
    """What follows."""

    NOTHING = "nothing"
    APPLY = "apply"
    READ = "read"
    BURY = "bury"


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, and the event that it follows from: the newest one of the object."""

    step: Step
    event: Signal


def decide(stored: Stored | None, signals: Sequence[Signal], *, reuses_ids: bool = False) -> Decision:
    """Decide what one object's new events ask for. `signals` is not empty; their order does not matter.

    NOTHING where the row certainly includes them all; APPLY where the newest snapshot is certainly the object's state
    and certainly newer than the row; BURY where the object is certainly gone; READ in every other case.
    """
    newest = max(signals, key=lambda signal: (signal.created, signal.kind != "touch", signal.event_id))
    if stored is not None and all(_is_included(stored, signal) for signal in signals):
        return Decision(Step.NOTHING, newest)
    if stored is not None and stored.deleted and not reuses_ids:
        return Decision(Step.NOTHING, newest)
    removal = max(
        (signal for signal in signals if signal.kind == "removal"), key=lambda signal: signal.created, default=None
    )
    if removal is not None:
        # An id that Stripe made never comes back. An id that the merchant chose can, even within the same second.
        alone = all(signal is removal or signal.created < removal.created for signal in signals)
        if not reuses_ids or (alone and (stored is None or removal.created > stored.latest)):
            return Decision(Step.BURY, removal)
        return Decision(Step.READ, newest)
    if stored is not None and (stored.deleted or newest.created <= stored.latest):
        return Decision(Step.READ, newest)
    last_second = [signal for signal in signals if signal.created == newest.created]
    certain = (
        all(signal.kind == "snapshot" and signal.usable for signal in last_second)
        # Several events of one object in one second have no order; where all show the same, none is needed.
        and len({signal.content_hash for signal in last_second}) == 1
        # A touch changes what only an expand shows, and no snapshot shows that.
        and not any(signal.kind == "touch" for signal in signals)
    )
    return Decision(Step.APPLY if certain else Step.READ, newest)


def _is_included(stored: Stored, signal: Signal) -> bool:
    if stored.source != "event":
        return signal.created < stored.earliest - READ_MARGIN_SECONDS
    if signal.kind == "touch":
        return False
    # A snapshot shows everything up to its own event; of its own second we cannot say.
    return signal.created < stored.as_of or (stored.deleted and signal.created <= stored.as_of)
