"""What must be true of the model before anything of it is sent. Dagster shows each as a blocking check."""

from typing import Any

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.sync.sql")

#: The statements give no more rows than this.
_MOST = 20

ONE_EMAIL = (
    "Two people with one email would take each other's place in Customer.io, so nothing is sent. members.sql "
    "decides who is one person, and people.sql must give one row for each."
)
ONE_ROW = "A join in people.sql multiplies rows. Group by person_id there; nothing is sent until then."


def emails_of_several_people(connection: Connection) -> list[tuple[Any, ...]]:
    """Give the emails that stand for two people or more, twenty at most: `(email, people)`."""
    return connection.execute(_SQL["emails_of_several_people"]).fetchall()


def people_with_several_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """Give the people who stand in the model twice or more, twenty at most: `(person, rows)`."""
    return connection.execute(_SQL["people_with_several_rows"]).fetchall()


def require_soundness(connection: Connection) -> None:
    """Raise ModelError where people of the model would take each other's place."""
    if doubled := people_with_several_rows(connection):
        raise ModelError(f"In model.people, one person has several rows ({_many(doubled)} such people).", ONE_ROW)
    if shared := emails_of_several_people(connection):
        raise ModelError(f"In model.people, several people have one email ({_many(shared)} such emails).", ONE_EMAIL)


def _many(rows: list[tuple[Any, ...]]) -> str:
    return f"{len(rows)} or more" if len(rows) == _MOST else f"{len(rows)}"
