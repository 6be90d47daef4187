"""What a model may say: it reads the tables of its layer and nothing else, and gives the same for the same rows.

Held for every build and by `check`, before any SQL of a user's runs. DuckDB is asked to hold it too (no access to files
or network, settings locked), so that what this overlooks is refused there.
"""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version

import duckdb

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.check import located, position
from stripe_cio_pipeline.model.files import FIXED, RAW, ModelFile, Models, builtin_names, fingerprint
from stripe_cio_pipeline.model.seeds import Seed
from stripe_cio_pipeline.model.syntax import Mention, Reading, first_word, parser, place, read_query
from stripe_cio_pipeline.warehouse import Statements

_ACTS = Statements("stripe_cio_pipeline.model.acts")

#: Tables of the schema `model` that no model makes.
KEPT = frozenset({"owners", "new_owners", "former_people"})

#: Functions that tell what time it is. While a model runs they say that it is the beginning of the day, in UTC, so that
#: all people are computed for the same moment, at whatever hour and in however many builds (`the_day`).
CLOCK = frozenset(
    {
        "now", "today", "current_date", "current_timestamp", "get_current_timestamp", "transaction_timestamp",
        "localtimestamp", "current_localtimestamp",
    }
)  # fmt: skip
#: They give settings, paths and names of whoever runs this, and not what Stripe says.
_OF_THE_MACHINE = frozenset(
    {
        "current_setting",
        "getvariable",
        "getenv",
        "version",
        "user",
        "current_user",
        "session_user",
        "current_role",
        "current_catalog",
        "current_database",
        "current_schema",
        "current_schemas",
        "in_search_path",
    }
)
_TIME_OF_DAY = frozenset({"current_time", "get_current_time", "localtime", "current_localtime"})

#: Functions in `from` that read nothing but what they are given.
_FROM_VALUES = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree", "repeat_row"})

_MACRO = re.compile(r"create\s+(or\s+replace\s+)?temp(orary)?\s+(macro|function)\b", re.IGNORECASE)
_MADE = re.compile(r"create or replace temp (?:table|view) (\w+)")
#: How near a name has to be to another one for it to be a slip of the pen.
_NEAR = 0.75

_NOTHING_ELSE = "Models read the warehouse and nothing else. A table of your own is a CSV file in models/seeds/."


def hold_to_rules(models: Models) -> None:
    """Hold all models to what they may say. Raises ModelError that tells everything wrong, each with its place."""
    problems = list(dict.fromkeys(_problems(models)))
    if problems:
        advice = list(dict.fromkeys(problem.advice for problem in problems if problem.advice))
        raise ModelError("\n".join(problem.what for problem in problems), " ".join(advice))


def hold_to_rules_once(models: Models, held: str) -> tuple[str, tuple[str, ...]]:
    """Hold models to rules unless `held` says that they were; give what says so now and where they ask for the day.

    Once for as long as they, this release and DuckDB are what they are: to read them all is a tenth of a quiet sync.
    """
    texts = (f"{file.where}\n{file.sql}" for file in models)
    seeds = (f"{seed.where}\n{seed.digest}" for seed in models.seeds)
    present = fingerprint(version("stripe-cio-pipeline"), duckdb.__version__, *texts, *seeds)
    known, _, dated = held.partition(" ")
    if known == present:
        return held, tuple(json.loads(dated))
    hold_to_rules(models)
    found = asks_for_the_day(models)
    return f"{present} {json.dumps(found)}", found


def asks_for_the_day(models: Models) -> tuple[str, ...]:
    """Tell where people.sql and its helpers ask what day it is: these have to be computed anew when it turns."""
    clock = _clock(models.functions)
    return tuple(
        dict.fromkeys(
            function.where
            for file in (*models.helpers, models.people)
            for function, _ in file.reading.functions
            if function.name in clock
        )
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    what: str
    advice: str


def _problems(models: Models) -> Iterator[_Problem]:
    volatile = _volatile()
    try:
        for macro in read_macros(models.functions):
            yield from _forbidden(macro.reading, volatile)
            if macro.reading.tables:
                yield _Problem(f"{macro.where}: the function {macro.name} reads a table.", "Make it a model.")
    except ModelError as wrong:
        yield _Problem(wrong.what, wrong.advice)
    for file in models:
        if file is models.functions:
            continue
        yield from _name(file, models)
        try:
            reading = file.reading
        except ModelError as wrong:
            yield _Problem(wrong.what, wrong.advice)
            continue
        yield from _forbidden(reading, volatile)
        yield from _frozen(file, reading, models)
        yield from _layer(file, reading, models)
    for seed in models.seeds:
        if seed.name in {*RAW, *FIXED} or not seed.name.isidentifier():
            yield _Problem(f"{seed.where} cannot be a table: its name is taken or none.", "Rename the file.")
        yield from _name(seed, models)
    yield from _unread(models)


# Names.


def _name(file: ModelFile | Seed, models: Models) -> Iterator[_Problem]:
    if file.name in builtin_names() and file not in models.objects:
        return
    if file.name in _reserved():
        yield _Problem(f"{file.where} cannot be a table: {file.name} is a word of SQL.", "Rename the file.")
    elif file.name in _made_by_builds() | KEPT or (file in models.objects and file.name in FIXED):
        yield _Problem(f"{file.where} cannot be a table: builds make one of this name.", "Rename the file.")


def _unread(models: Models) -> Iterator[_Problem]:
    """Tell of files that make a table which no model reads."""
    others = [file for file in models if file is not models.functions]
    read: dict[str, set[str]] = {}
    for file in others:
        try:
            names = {table.name for table in file.reading.tables}
        except ModelError:
            return  # told already, and what it reads is not known
        for name in names:
            read.setdefault(name, set()).add(file.name)
    made: list[ModelFile | Seed] = [*others, *models.seeds]
    for table in made:
        if table.name in builtin_names() or read.get(table.name, set()) - {table.name}:
            continue
        near = difflib.get_close_matches(table.name, sorted(builtin_names()), n=1, cutoff=_NEAR)
        if table not in models.objects or near:
            yield _Problem(
                f"{table.where} makes the table {table.name}, which no model reads."
                + (f" The nearest file that has a meaning is {near[0]}.sql." if near else ""),
                "Rename it, read it in people.sql, or take it away.",
            )


# Layers.


def _layer(file: ModelFile, reading: Reading, models: Models) -> Iterator[_Problem]:
    """Hold a file to the tables of its layer."""
    plain, qualified = _readable(file, models)
    wrong = [
        table
        for table in reading.tables
        if not (table.name in plain if not table.schema else f"{table.schema}.{table.name}" in qualified)
    ]
    for table in wrong:
        yield _unknown(file, table, plain | qualified)
    if file in models.objects and not wrong:
        raws = sorted({table.name for table in reading.tables} & set(RAW))
        if len(raws) != 1:
            yield _Problem(
                f"{file.where} reads {' and '.join(raws) if raws else 'no raw table'}.",
                "A file in objects/ reads one raw table, because its rows are replaced when objects of that table "
                "change: join them in a file beside people.sql.",
            )


def _readable(file: ModelFile, models: Models) -> tuple[set[str], set[str]]:
    """Give the tables that a file may read: those named alone, and those named with their schema."""
    typed = {each.name for each in models.objects}
    seeds = {seed.name for seed in models.seeds}
    if file in models.objects:
        return set(RAW) | seeds, set()
    if file is models.members:
        return typed | seeds | {"identity"}, {"model.owners"}
    if file is models.events:
        made = typed | {"members", "people"}
        return made | seeds | {"events"}, {f"model.{name}" for name in made} | {
            f"stripe.{name}" for name in (*RAW, "events")
        }
    made = typed | {"members"}
    helpers = {each.name for each in models.helpers}
    return made | helpers | seeds | {"identity", "not_granted"}, {f"model.{name}" for name in made} | {
        f"stripe.{name}" for name in RAW
    }


def _unknown(file: ModelFile, table: Mention, readable: set[str]) -> _Problem:
    name = f"{table.schema}.{table.name}" if table.schema else table.name
    near = difflib.get_close_matches(name, sorted(readable), n=1, cutoff=0.6)
    return _Problem(
        f"{table.where}: the table {name} does not exist for {file.name}.sql"
        + (f" (nearest: {near[0]})." if near else "."),
        f"{_NOTHING_ELSE} docs/models.md tells what each file may read.",
    )


def _forbidden(reading: Reading, volatile: frozenset[str]) -> Iterator[_Problem]:
    for function in reading.table_functions:
        if function.name not in _FROM_VALUES:
            yield _Problem(f"{function.where}: a model cannot read from {function.name}(…).", _NOTHING_ELSE)
    for function, arguments in reading.functions:
        if function.name in volatile:
            yield _Problem(
                f"{function.where}: {function.name} gives another value each time it is asked.",
                "People would be sent again at every sync: take a value that follows from the rows.",
            )
        elif function.name in _OF_THE_MACHINE:
            yield _Problem(
                f"{function.where}: {function.name} tells of the database or this machine, and not of the account.",
                _NOTHING_ELSE,
            )
        elif function.name in _TIME_OF_DAY:
            yield _Problem(
                f"{function.where}: {function.name} is the time of day, and people are computed once a day at most.",
                "Take current_date or now(), which is the beginning of the day there.",
            )
        elif function.name == "age" and arguments == 1:
            yield _Problem(
                f"{function.where}: age(…) of one moment counts to a today of its own.", "Write age(current_date, …)."
            )


def _frozen(file: ModelFile, reading: Reading, models: Models) -> Iterator[_Problem]:
    """Tell of values that would stay what they were on the day that they were computed."""
    if file is models.people or file in models.helpers:
        return
    try:
        clock = _clock(models.functions)
    except ModelError:
        return  # told already
    for function, _ in reading.functions:
        if function.name in clock:
            yield _Problem(
                f"{function.where}: {function.name} would stay what it was on the day of the computation.",
                "Only people.sql and files beside it are recomputed when the day turns: ask for the date there.",
            )


# What DuckDB knows.


@dataclass(frozen=True, slots=True)
class Macro:
    """A function that functions.sql makes."""

    name: str
    where: str
    reading: Reading


@lru_cache(maxsize=8)
def read_macros(file: ModelFile) -> tuple[Macro, ...]:
    """Read functions.sql. Raises ModelError where it does anything but make functions for the time of a build."""
    found: list[Macro] = []
    with parser() as connection:
        with located(file):
            statements = connection.extract_statements(file.sql)
        offset = 0
        for statement in statements:
            offset = file.sql.find(statement.query, offset)
            head = first_word(statement.query)
            if not _MACRO.match(statement.query, head):
                raise ModelError(
                    f"{file.where}{place(file.sql, offset + head)}: this is no `create or replace temp macro`.",
                    "functions.sql makes functions and nothing else.",
                )
            try:
                connection.execute(statement)
            except duckdb.Error as wrong:
                raise ModelError(
                    f"{file.where}{place(file.sql, offset + head)}: {str(wrong).splitlines()[0].rstrip('.')}.",
                    "A function follows from what it is given, and reads no table.",
                ) from None
        for name, kind, definition in connection.execute(_ACTS["macros"]).fetchall():
            where = f"{file.where}{position(file, name)}"
            if kind != "macro":
                raise ModelError(f"{where}: {name} is a function that gives a table.", "Make it a model.")
            found.append(Macro(name, where, _at(read_query(f"select {definition}", file.where), where)))
    return tuple(found)


def _clock(functions: ModelFile) -> frozenset[str]:
    """Name the functions that tell what day it is, and those of functions.sql that ask them."""
    known = set(CLOCK)
    macros = read_macros(functions)
    while found := {
        macro.name
        for macro in macros
        if macro.name not in known and any(function.name in known for function, _ in macro.reading.functions)
    }:
        known |= found
    return frozenset(known)


def _at(reading: Reading, where: str) -> Reading:
    """Say of all that a reading mentions that it stands in one place."""

    def moved(mention: Mention) -> Mention:
        return Mention(mention.schema, mention.name, where)

    return Reading(
        tuple(map(moved, reading.tables)),
        tuple(map(moved, reading.table_functions)),
        tuple((moved(function), arguments) for function, arguments in reading.functions),
    )


@cache
def _volatile() -> frozenset[str]:
    with parser() as connection:
        found = connection.execute(_ACTS["volatile_functions"]).fetchall()
    return frozenset(name for (name,) in found) | {"using sample"}


@cache
def _reserved() -> frozenset[str]:
    with parser() as connection:
        return frozenset(name for (name,) in connection.execute(_ACTS["reserved_words"]).fetchall())


@cache
def _made_by_builds() -> frozenset[str]:
    """Name the temporary tables that the statements of a build make."""
    return frozenset(name for statement in _ACTS for name in _MADE.findall(_ACTS[statement])) | {"deleted"}
