"""What was refused: kept until its content changes, and sent again when somebody asks for it, or after a back-off."""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


def record_rejections(connection: Connection, span: Mapping[str, int], *, run_id: str, is_any_refused: bool) -> None:
    """Keep what was refused of `answered` (`ledger.record`), and clear what was taken of what had been refused before.

    `span` is the `first` and `last` position of the answers.
    """
    if not is_any_refused and connection.execute(_SQL["has_rejections"]).fetchone() is None:
        return
    connection.execute(_SQL["create_touched_rejections"], dict(span))
    connection.execute(_SQL["delete_touched_rejections"])
    connection.execute(_SQL["insert_rejections"], {"run_id": run_id})
    connection.execute(_SQL["drop_touched_rejections"])


def retry(warehouse: Warehouse, people: Collection[str] = (), *, now: Callable[[], float] = time.time) -> int:
    """Make rejected items, conflicts and links that nobody sees due again with the next plan; give how many.

    `people` are person ids (`cus_...`), Customer.io ids, emails or Stripe event ids; none means everybody. The count of
    attempts goes on. Who was found missing in Customer.io is made again only if they are named.
    """
    moment = datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)
    chosen = {"everybody": not people, "names": sorted(name.strip().lower() for name in people)}
    with warehouse.transaction() as connection:
        connection.execute(_SQL["create_retried"], chosen)
        count = _make_due(connection, moment)
        conflicts = connection.execute(_SQL["count_retried_conflicts"], chosen).fetchone()
        if conflicts is not None and conflicts[0]:
            connection.execute(_SQL["insert_due_conflicts"], {**chosen, "now": moment})
            # Who was refused a link is linked anew; another id or email that was refused is no longer ours.
            changed = {**chosen, "seq": next_seq(connection)}
            connection.execute(_SQL["link_refused_anew"], changed)
            connection.execute(_SQL["reopen_conflicts"], changed)
            count += int(conflicts[0])
        connection.execute(_SQL["create_left_out"], chosen)
        connection.execute(_SQL["create_sought"], chosen)
        ((again,),) = connection.execute(_SQL["count_again"]).fetchall()
        if again:
            connection.execute(_SQL["insert_due_again"], {"now": moment})
            connection.execute(_SQL["delete_refused_values"])
            connection.execute(_SQL["link_anew"], {"seq": next_seq(connection)})
        connection.execute(_SQL["drop_again"])
        return count + int(again)


def release_rejections(connection: Connection, hours: float, moment: datetime) -> int:
    """Make due again what was refused `hours` ago, twice as long ago for each further attempt; give how many."""
    connection.execute(_SQL["create_released"], {"hours": hours, "now": moment})
    return _make_due(connection, moment)


def _make_due(connection: Connection, moment: datetime) -> int:
    """Free the rejections in `retried` from the content that they stand for."""
    row = connection.execute(_SQL["count_retried"]).fetchone()
    count = 0 if row is None else int(row[0])
    if count:
        connection.execute(_SQL["insert_due_rejections"], {"now": moment})
        connection.execute(_SQL["delete_retried_events"])
        connection.execute(_SQL["clear_retried_hashes"])
    connection.execute(_SQL["drop_retried"])
    return count
