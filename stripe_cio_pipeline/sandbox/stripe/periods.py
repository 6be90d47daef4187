"""Billing periods by the calendar, as Stripe counts them: anchored, and clipped to short months."""

import calendar
from datetime import UTC, datetime

DAY = 86_400
_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


def later(anchor: int, interval: str, count: int, times: int) -> int:
    """Return the moment `times` intervals after an anchor; 31 January plus a month is 28 February."""
    if interval in _DAYS:
        return anchor + _DAYS[interval] * count * times * DAY
    start = datetime.fromtimestamp(anchor, UTC)
    months = start.month - 1 + _MONTHS[interval] * count * times
    year, month = start.year + months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def end_after(anchor: int, interval: str, count: int, start: int) -> int:
    """Return the first end of a period that lies after a start."""
    times = 1
    while (end := later(anchor, interval, count, times)) <= start:
        times += 1
    return end
