"""Cron lines: five fields, held to what a calendar has before anything is scheduled by them."""

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Each field's name, least and greatest number, and the words for its numbers.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
#: Words for whole lines, and how often they come due in 30 days.
_WORDS = {
    "@hourly": 720.0,
    "@daily": 30.0,
    "@midnight": 30.0,
    "@weekly": 30 / 7,
    "@monthly": 30 * 12 / 365,
    "@yearly": 30 / 365,
    "@annually": 30 / 365,
}
#: What a line looks like, before anything is read: for whoever checks a file without this module.
FORM = rf"^\s*({'|'.join(_WORDS)}|\S+(\s+\S+){{4}})\s*$"
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


def times_in_30_days(line: str) -> float:
    """Give how often a cron line comes due in 30 days, on average. It must be one without an `objection`."""
    if (times := _WORDS.get(line.strip().lower())) is not None:
        return times
    fields = line.split()
    minutes, hours, days, months, weekdays = (
        {number for part in field.lower().split(",") for number in _read(part, least, greatest, words)}
        for (_, least, greatest, words), field in zip(_FIELDS, fields, strict=True)
    )
    # Sunday is 0 and 7. Where both kinds of days are given, either is enough.
    by_date, by_weekday = len(days) / 31, len({number % 7 for number in weekdays}) / 7
    both = fields[2] != "*" and fields[4] != "*"
    share = by_date + by_weekday - by_date * by_weekday if both else by_date * by_weekday
    return len(minutes) * len(hours) * 30 * share * len(months) / 12


def objection(line: str) -> str:
    """Say what is wrong with a cron line; nothing where it will come due."""
    if line.strip().lower() in _WORDS:
        return ""
    fields = line.split()
    if len(fields) != len(_FIELDS):
        return f"a cron line has five fields (minute, hour, day, month, weekday), and this has {len(fields)}"
    numbers: list[set[int]] = []
    for (name, least, greatest, words), field in zip(_FIELDS, fields, strict=True):
        found: set[int] = set()
        for part in field.lower().split(","):
            read = _read(part, least, greatest, words)
            if not read:
                return f"{part!a} is no {name} ({least} to {greatest})"
            found |= read
        numbers.append(found)
    _, _, days, months, _ = numbers
    if fields[4] == "*" and min(days) > max(_LONGEST[month - 1] for month in months):
        return f"no month of these has a day {min(days)}: it would never come due"
    return ""


def _read(part: str, least: int, greatest: int, words: dict[str, int]) -> set[int]:
    """Give the numbers that a part of a field stands for, none where it cannot be read."""
    found = _PART.fullmatch(part)
    if found is None or found["step"] == "0":
        return set()
    if found["first"] == "*":
        first, last = (least, greatest) if found["last"] is None else (greatest, least)
    else:
        first = _number(found["first"], words)
        # `5/10` is from 5 on.
        until = found["last"] or (str(greatest) if found["step"] else found["first"])
        last = _number(until, words)
    if not least <= first <= last <= greatest:
        return set()
    return set(range(first, last + 1, int(found["step"] or 1)))


def _number(text: str, words: dict[str, int]) -> int:
    return int(text) if text.isdecimal() else words.get(text, -1)
