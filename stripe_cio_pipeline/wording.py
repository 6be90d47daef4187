"""What pydantic refuses, in plain words: its own speak of types and parsers.

Its sentences are read and not its kinds of errors, because the command line hands on sentences alone. One that is not
known here stays as it is.
"""

import re
from typing import Any

#: What it says, and what a value must then be. `{}` is what it says about it.
_MUST_BE = (
    (r"Input should be a valid integer.*", "a whole number"),
    (r"Input should be a (?:valid|finite) number.*", "a number"),
    (r"Input should be a valid boolean.*", "true or false"),
    (r"Input should be a valid string.*|Keys should be strings", "text"),
    (r"Input should be a valid list.*", "a list, such as [one, two]"),
    (r"Input should be a valid (?:dictionary or instance of|dictionary or object).*", "a section with keys below it"),
    (r"Input should be a valid dictionary.*", "names with values, such as {{name: value}}"),
    (r"Input should be a valid date.*", "a time such as 2026-01-31T00:00:00Z"),
    (r"Input is not a valid path.*", "a path"),
    (r"Input should be greater than or equal to (.+)", "at least {}"),
    (r"Input should be less than or equal to (.+)", "at most {}"),
    (r"Input should be greater than (.+)", "more than {}"),
    (r"Input should be less than (.+)", "less than {}"),
    (r"Input should be ('.+')", "{}"),
)


def in_words(said: str, example: Any = None) -> str:
    """Say what a value must be. `example` is one that is taken, such as the default."""
    for pattern, words in _MUST_BE:
        if found := re.fullmatch(pattern, said):
            must_be = words.format(*found.groups()).replace("'", "")
            shown = "" if example is None or "such as" in must_be or found.groups() else f", such as {example}"
            return f"must be {must_be}{shown}"
    return said.removeprefix("Value error, ")


def refusals(errors: list[Any], names: set[str]) -> dict[tuple[str | int, ...], list[str]]:
    """Gather what was said by the place that it is about: the steps that are keys (`names`) or positions in a list.

    Of a value that may be one of several kinds pydantic speaks once for each, with the kind as a further step.
    """
    found: dict[tuple[str | int, ...], list[str]] = {}
    for error in errors:
        steps = [step for step in error["loc"] if isinstance(step, int) or step in names]
        found.setdefault(tuple(steps), []).append(str(error["msg"]))
    return found


def in_one_sentence(said: list[str], example: Any = None) -> str:
    """Say what a value must be that may be one of several kinds."""
    first, *others = (in_words(each, example) for each in said)
    return " or ".join((first, *(other.removeprefix("must be ") for other in others)))
