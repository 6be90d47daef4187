"""Stripe's time, and whether it can be believed.

Everything that concerns Stripe goes by the `Date` of its answers. But that header is whatever the last server on the
way wrote, and a moment that is wrong hides changes. So it is believed only while it agrees with this machine's clock
within minutes and does not run backwards. Which of the two is wrong nobody can tell: where they disagree, nothing is
concluded.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: How far Stripe's clock and this machine's may be apart.
TOLERANCE_SECONDS = 300
#: A sandbox says so of its clock, which somebody moves. Stripe never does.
SIMULATED = "sandbox-clock"


class StripeClock:
    """Listens to what answers say of the time. `ours` is this machine's clock, in unix seconds."""

    def __init__(self, ours: Callable[[], float]) -> None:
        self.ours = ours
        #: The newest moment that was believed; until there was one, this machine's.
        self.now: float = ours()
        self.heard = False
        self.is_simulated = False
        #: What was not believed, the first time; None while there was nothing.
        self.doubt: str | None = None

    def hear(self, headers: Mapping[str, str]) -> bool:
        """Take what an answer says of the time. Gives whether it is believed."""
        date = date_of(headers)
        if date is None:
            return False
        self.is_simulated = self.is_simulated or SIMULATED in headers
        ours = self.ours()
        if not self.is_simulated:
            if abs(date - ours) > TOLERANCE_SECONDS:
                self._doubt(f"it shows {_told(date)} where this machine's shows {_told(ours)}")
                return False
            if self.heard and date < self.now - TOLERANCE_SECONDS:
                self._doubt(f"it shows {_told(date)} after it showed {_told(self.now)}")
                return False
        if not self.heard or date > self.now:
            self.now = date
        self.heard = True
        return True

    def _doubt(self, what: str) -> None:
        self.doubt = self.doubt or what


def date_of(headers: Mapping[str, str]) -> int | None:
    """Give the moment in a `Date` header, in unix seconds; None where there is none."""
    value = headers.get("date")
    if not value:
        return None
    try:
        return int(parsedate_to_datetime(value).timestamp())
    except ValueError:
        return None


def _told(moment: float) -> str:
    # What a header says may be beyond any calendar.
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "no moment of any calendar"
