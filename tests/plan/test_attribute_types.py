"""What a column of each of DuckDB's types is in an operation: JSON as Customer.io takes it."""

import json
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.plan import make_plan
from stripe_cio_pipeline.policy import Models, Policy
from tests.model.account import Account

#: SQL, and the JSON value that is sent. Times are unix seconds in UTC.
VALUES: dict[str, Any] = {
    "1::tinyint": 1,
    "3000000000::uinteger": 3000000000,
    "170141183460469231731687303715884105727::hugeint": 170141183460469231731687303715884105727,
    "true": True,
    "'a \"quoted\" \\ text'": 'a "quoted" \\ text',
    "49.00::decimal(6, 2)": 49.0,
    "0.5::double": 0.5,
    "0.5::float": 0.5,
    "date '2026-01-02'": 1767312000,
    "timestamp '2026-01-02 03:04:05'": 1767323045,
    "timestamptz '2026-01-02 03:04:05+01'": 1767319445,
    "'2026-01-02 03:04:05'::timestamp_s": 1767323045,
    "'2026-01-02 03:04:05'::timestamp_ms": 1767323045,
    "'2026-01-02 03:04:05'::timestamp_ns": 1767323045,
    "time '03:04:05'": "03:04:05",
    "interval 1 day": "1 day",
    "'9d5a4fa6-6f39-4d9c-8b4a-0b8f4a6a9d3e'::uuid": "9d5a4fa6-6f39-4d9c-8b4a-0b8f4a6a9d3e",
    "'small'::enum('small', 'large')": "small",
    "[1.50::decimal(4, 2), 49]": [1.5, 49.0],
    "array_value(1.50::decimal(4, 2), 2)": [1.5, 2.0],
    "[date '2026-01-02']": [1767312000],
    "[timestamp '2026-01-02 03:04:05', null]": [1767323045, None],
    "array_value(date '2026-01-02', date '2026-01-03')": [1767312000, 1767398400],
    "array_value(1, 2)": [1, 2],
    "[[date '2026-01-02'], []]": [[1767312000], []],
    "[time '03:04:05']": ["03:04:05"],
    "['small'::enum('small', 'large')]": ["small"],
    "struct_pack(since := date '2026-01-02', plan := 'basic')": {"since": 1767312000, "plan": "basic"},
    "struct_pack(\"the 'day'\" := [struct_pack(at := timestamp '2026-01-02 03:04:05')])": {
        "the 'day'": [{"at": 1767323045}]
    },
    "struct_pack(price := 1.50::decimal(4, 2))": {"price": 1.5},
    "map {'a': timestamp '2026-01-02 03:04:05'}": {"a": 1767323045},
    "map {1: 'a'}": {"1": "a"},
    "map {'a': [1.50::decimal(4, 2)]}": {"a": [1.5]},
    "'{\"a\": [1, null]}'::json": {"a": [1, None]},
    "['[1]'::json]": [[1]],
}


def test_every_type_is_sent_as_json(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    columns = ",\n".join(f"{sql} as value_{number}" for number, sql in enumerate(VALUES))
    (folder / "people.sql").write_text(
        f"select id as person_id, id, null::varchar as email, {columns}, null::date[] as nothing from customers"
    )
    account = Account(tmp_path / "warehouse.duckdb")
    account.put("customers", {"id": "cus_1", "created": 1})
    policy = Policy(models=Models(folder=folder))

    report = build(account.warehouse, policy, run_id="run-1")
    build(account.warehouse, policy, run_id="run-2", full=True)
    make_plan(account.warehouse, policy, run_id="run-2")

    assert report.findings == ()
    (row,) = account.rows("select after from customerio.plan")
    after = json.loads(row["after"])
    del after["id"]
    assert [after.get(f"value_{number}") for number in range(len(VALUES))] == list(VALUES.values())
    assert "nothing" not in after


@pytest.mark.parametrize(
    "sql", ["[timestamp 'infinity']", "timestamp 'infinity'", "struct_pack(d := date '-infinity')"]
)
def test_a_moment_that_never_comes_is_none(sql: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "people.sql").write_text(
        f"select id as person_id, id, null::varchar as email, {sql} as moment from customers"
    )
    account = Account(tmp_path / "warehouse.duckdb")
    account.put("customers", {"id": "cus_1", "created": 1})

    build(account.warehouse, Policy(models=Models(folder=folder)), run_id="run-1")

    assert account.rows("select to_json(moment)::varchar as moment from model.people") in (
        [{"moment": None}],
        [{"moment": "[null]"}],
        [{"moment": '{"d":null}'}],
    )
