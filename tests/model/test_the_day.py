"""Attributes that count from today: computed anew when the day turns, the same at every hour of it, never frozen."""

import contextlib
from pathlib import Path

import duckdb
import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import check_models, copy_models
from stripe_cio_pipeline.model.rules import _TIME_OF_DAY, CLOCK
from stripe_cio_pipeline.model.syntax import LIKE_COLUMNS
from stripe_cio_pipeline.policy import Models, Policy
from tests.model.account import Account

#: 2026-01-10 00:00:00 UTC.
MIDNIGHT = 1768003200
DAY, HOUR = 86_400, 3_600


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    copy_models(folder, everything=True)
    return folder


def policy(folder: Path) -> Policy:
    return Policy(models=Models(folder=folder))


def add(folder: Path, sql: str) -> Policy:
    file = folder / "people.sql"
    file.write_text(file.read_text().replace("owners.name as name,", f"owners.name as name,\n    {sql},", 1))
    return policy(folder)


def charge(number: int, owner: str, created: int) -> dict[str, object]:
    return {
        "id": f"ch_{number}", "customer": owner, "created": created, "status": "succeeded", "currency": "usd",
        "amount": 500, "amount_captured": 500, "amount_refunded": 0,
    }  # fmt: skip


DAYS_SINCE = "date_diff('day', make_timestamp(paid.last_paid_at * 1000000), current_date) as days_since_payment"


def days(account: Account) -> list[object]:
    return [person["days_since_payment"] for person in account.people().values()]


def test_days_since_the_last_payment_count_on(account: Account, models: Path) -> None:
    chosen = add(models, DAYS_SINCE)
    account.put("customers", *({"id": f"cus_{n}", "created": 1} for n in (1, 2, 3)))
    account.put("charges", charge(1, "cus_1", MIDNIGHT - DAY), charge(2, "cus_2", MIDNIGHT - 7 * DAY + HOUR))

    account.build(chosen, at=MIDNIGHT + HOUR)
    assert days(account) == [1, 7, None]

    report = account.build(chosen, at=MIDNIGHT + DAY + 5)
    assert days(account) == [2, 8, None]
    # Everybody is computed, and two come out otherwise.
    assert (report.full, report.changed, report.day_turned, report.written) == (True, 3, True, 2)


def test_within_a_day_nobody_is_computed_anew(account: Account, models: Path) -> None:
    chosen = add(models, DAYS_SINCE)
    account.put("customers", {"id": "cus_1", "created": 1}, {"id": "cus_2", "created": 1})
    account.build(chosen, at=MIDNIGHT)

    assert account.build(chosen, at=MIDNIGHT + DAY - 1).changed == 0


def test_it_is_the_same_moment_for_everybody_all_day(account: Account, models: Path) -> None:
    chosen = add(models, "now() as asked_at, localtimestamp as here_at, current_timestamp as then_at")
    account.put("customers", {"id": "cus_1", "created": 1}, {"id": "cus_2", "created": 1})
    account.build(chosen, at=MIDNIGHT + HOUR)
    account.put("customers", {"id": "cus_2", "created": 2})

    report = account.build(chosen, at=MIDNIGHT + 20 * HOUR)

    assert (report.full, report.changed) == (False, 1)
    for person in account.people().values():
        assert (person["asked_at"], person["here_at"], person["then_at"]) == (MIDNIGHT,) * 3


def test_a_day_that_was_missed_is_caught_up(account: Account, models: Path) -> None:
    chosen = add(models, DAYS_SINCE)
    account.put("customers", {"id": "cus_1", "created": 1})
    account.put("charges", charge(1, "cus_1", MIDNIGHT))
    account.build(chosen, at=MIDNIGHT)
    account.build(chosen, at=MIDNIGHT + 9 * DAY + HOUR)

    assert days(account) == [9]


def test_models_that_do_not_ask_are_left_alone(account: Account) -> None:
    account.put("customers", {"id": "cus_1", "created": 1})
    account.build(at=MIDNIGHT)

    report = account.build(at=MIDNIGHT + DAY)

    assert (report.changed, report.dated) == (0, ())


def test_a_helper_and_a_function_may_ask(account: Account, models: Path) -> None:
    functions = models / "functions.sql"
    functions.write_text(
        functions.read_text()
        + "\ncreate or replace temp macro days_ago(m) as date_diff('day', to_timestamp(m), now());"
        + "\ncreate or replace temp macro weeks_ago(m) as days_ago(m) // 7;\n"
    )
    (models / "ages.sql").write_text("select id as customer_id,\n    weeks_ago(created) as weeks from customers")
    chosen = add(models, "(select any_value(weeks) from ages where ages.customer_id = owners.id) as weeks")
    account.put("customers", {"id": "cus_1", "created": MIDNIGHT - 20 * DAY})
    report = account.build(chosen, at=MIDNIGHT)
    assert account.person("cus_1")["weeks"] == 2
    assert [where.split("/")[-1] for where in report.dated] == ["ages.sql:2:5"]

    account.build(chosen, at=MIDNIGHT + DAY)
    assert account.person("cus_1")["weeks"] == 3


@pytest.mark.parametrize("name", ["objects/charges.sql", "members.sql", "events.sql"])
def test_where_a_date_would_freeze_it_is_refused(name: str, models: Path) -> None:
    file = models / name
    file.write_text(f"select *\nfrom ({file.read_text()})\nwhere current_date is not null")

    with pytest.raises(ModelError, match=rf"{name}:\d+:7: current_date would stay what it was"):
        check_models(policy(models))


@pytest.mark.parametrize("sql", ["current_time", "get_current_time()", "localtime"])
def test_the_time_of_day_is_refused(sql: str, models: Path) -> None:
    with pytest.raises(ModelError, match=r"people\.sql:\d+:5: \w+ is the time of day"):
        check_models(add(models, f"{sql} as moment"))


def test_an_age_says_from_when(models: Path) -> None:
    with pytest.raises(ModelError, match=r"people\.sql:\d+:5: age.*Write age\(current_date"):
        check_models(add(models, "age(to_timestamp(owners.created)) as time_with_us"))


def test_every_function_of_duckdb_that_tells_the_time_is_known() -> None:
    with duckdb.connect() as connection:
        found = {
            name
            for (name,) in connection.execute(
                # With an argument they follow from it; DuckDB 2 says so of all that know time zones.
                "select distinct function_name from duckdb_functions() "
                "where stability = 'CONSISTENT_WITHIN_QUERY' and len(parameters) = 0"
            ).fetchall()
        }
    of_the_database = {"current_database", "current_schema", "current_schemas", "in_search_path", "txid_current"}

    assert found - of_the_database <= CLOCK | _TIME_OF_DAY


def test_every_function_of_duckdb_that_is_written_like_a_column_is_known() -> None:
    found = set()
    with duckdb.connect() as connection:
        names = connection.execute("select distinct function_name from duckdb_functions() where len(parameters) = 0")
        for (name,) in names.fetchall():
            with contextlib.suppress(duckdb.Error):
                connection.execute(f'select "{name}"' if not name.isidentifier() else f"select {name}").fetchall()
                found.add(name)

    assert found - {"user"} <= LIKE_COLUMNS
    assert "current_user" in found
