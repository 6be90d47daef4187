"""Which events of the feed are forwarded, and with which data: events.sql for what it knows, a rule for all others."""

from stripe_cio_pipeline.event_types import meant
from stripe_cio_pipeline.model import tables
from stripe_cio_pipeline.model.check import located
from stripe_cio_pipeline.model.files import ModelFile
from stripe_cio_pipeline.policy import Events
from stripe_cio_pipeline.warehouse import Connection, Statements

_ACTS = Statements("stripe_cio_pipeline.model.acts")

_RULE = ("data_by_rule", "empty_data")


def ingredients(policy: Events) -> tuple[str, ...]:
    """Give all that the rows depend on, beside events.sql and the raw events."""
    names = [f"{kind} {name}" for kind, name in sorted(policy.names.items())]
    return meant(policy.forward), *names, *(_ACTS[statement] for statement in ("events", *_RULE))


def show_events(connection: Connection, policy: Events, mark: int) -> None:
    """Put the events that came after a mark and that the policy wants before all of `stripe.events`."""
    connection.execute(_ACTS.since("wanted_types", mark), {"types": meant(policy.forward)})
    connection.execute(_ACTS.since("twins", mark))
    connection.execute(_ACTS.since("wanted_events", mark))
    connection.execute(_ACTS["event_names"], {"types": list(policy.names), "names": list(policy.names.values())})


def write_events(connection: Connection, file: ModelFile, *, full: bool, over_none: bool = False) -> None:
    """Compute events.sql over what is shown, and add that to `model.events`, or fill it anew. Hides the events again.

    An event without data of its own (`data` is null) gets that of its object by rule. Where no event is shown the file
    is not run, unless `over_none`: DuckDB takes a tenth of a second to make ready for it. Raises ModelError where
    the file cannot run.
    """
    if not over_none and not tables.count(connection, "events"):
        if full:
            query = f"{_ACTS['events']}\nlimit 0".replace("events_of_the_model", f"(\n{file.query})")
            with located(file):
                tables.create(connection, "model.events", query)
        tables.hide(connection, "view", ["events"])
        return
    # A temporary table stays in memory until the transaction ends: everything goes to its place at once.
    target = "model.events" if full else "new_events"
    with located(file):
        tables.create(connection, target, _ACTS["events"].replace("events_of_the_model", f"(\n{file.query})"))
    if tables.count(connection, f"{target} where data is null"):
        for statement in _RULE:
            connection.execute(_ACTS[statement].replace("new_events", target))
    if not full:
        tables.insert(connection, "model.events", "from new_events")
    tables.hide(connection, "view", ["events"])
