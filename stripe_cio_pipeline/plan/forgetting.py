"""Forgetting a person: what stays is an id, and the proof that Customer.io was told to delete them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.warehouse import Statements, Warehouse, next_seq

_SQL = Statements("stripe_cio_pipeline.plan.sql")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Who is forgotten: the person, and how many kept writes lost their values.

    `is_due` tells whether the deletion in Customer.io goes out with the next plan; otherwise it was accepted before.
    """

    person_id: str
    writes: int
    is_due: bool


def forget(warehouse: Warehouse, person: str, *, now: Callable[[], float] = time.time) -> Forgotten:
    """Wipe a person from ledger, plan, writes and rejections, and have the next plan delete them in Customer.io.

    `person` is a Stripe customer id, or the id or email that Customer.io has for them. They are not created again,
    whatever happens in Stripe; the copy of Stripe's own objects follows Stripe. Raises PipelineError where the ledger
    has no such person.
    """
    with warehouse.transaction() as connection:
        found = connection.execute(_SQL["find_person"], {"person": person}).fetchall()
        if len(found) != 1:
            raise PipelineError(
                f"{'Several people are' if found else 'Nobody is'} known by that name in the ledger.",
                "Give the Stripe customer id (cus_...); stripe-cio explain shows it.",
            )
        ((person_id, is_removed),) = found
        moment = datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)
        writes = connection.execute(_SQL["count_writes"], {"person": person_id}).fetchone()
        connection.execute(_SQL["forget_writes"], {"person": person_id})
        for statement in ("forget_plan", "forget_rejections", "forget_owner"):
            connection.execute(_SQL[statement], {"person": person_id})
        connection.execute(
            _SQL["forget_person"], {"person": person_id, "seq": next_seq(connection), "is_removed": is_removed}
        )
        connection.execute(_SQL["insert_due"], {"person": person_id, "now": moment, "reason": "forgotten"})
        return Forgotten(person_id, int(writes[0]) if writes else 0, is_due=not is_removed)
