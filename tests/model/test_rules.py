"""What a model may say: the tables of its layer and nothing else. Whoever says more is told where."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import build, check, check_models, copy_models, rules
from stripe_cio_pipeline.model.build import _Build
from stripe_cio_pipeline.model.files import RAW, load_models
from stripe_cio_pipeline.model.rules import KEPT, _made_by_builds
from stripe_cio_pipeline.policy import Models, Policy
from stripe_cio_pipeline.warehouse import Warehouse
from tests.model.account import Account


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    copy_models(folder, everything=True)
    return folder


def policy(folder: Path) -> Policy:
    return Policy(models=Models(folder=folder))


def with_attribute(folder: Path, sql: str) -> Path:
    """Add an attribute to people.sql."""
    file = folder / "people.sql"
    file.write_text(file.read_text().replace("owners.name as name,", f"owners.name as name,\n    {sql} as added,"))
    return file


def place_of(file: Path, text: str) -> str:
    """Say where a text stands in a file, as an editor does."""
    for number, line in enumerate(file.read_text().split("\n"), 1):
        if text in line:
            return f"{file.name}:{number}:{line.index(text) + 1}"
    raise AssertionError(text)


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        check_models(policy(folder))
    assert raised.value.exit_code == 2
    return str(raised.value)


READS_ELSEWHERE = [
    "(select content from read_text('/etc/hostname'))",
    "(select any_value(content) from read_blob('/etc/*'))",
    "(select count(*) from read_csv('prices.csv'))",
    "(select count(*) from read_parquet('https://example.com/prices.parquet'))",
    "(select count(*) from glob('/etc/*'))",
    "(select count(*) from query('select 1'))",
    "(select count(*) from query_table(['customers']))",
    "(select count(*) from duckdb_secrets())",
    "(select count(*) from duckdb_settings())",
    "(select count(*) from checkpoint())",
]


@pytest.mark.parametrize("sql", READS_ELSEWHERE)
def test_a_model_reads_no_files_and_nothing_of_the_database(sql: str, models: Path) -> None:
    file = with_attribute(models, sql)
    function = re.findall(r"from (\w+)\(", sql)[0]

    told = refusal(models)

    assert f"{place_of(file, function)}: a model cannot read from {function}(…)" in told
    assert "Models read the warehouse and nothing else." in told


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("customerio.people", "customerio.people"),
        ("pipeline.cursors", "pipeline.cursors"),
        ("information_schema.tables", "information_schema.tables"),
        ("'prices.csv'", "prices.csv"),
        ('"https://example.com/prices.csv"', "https://example.com/prices.csv"),
        ("stripe.events", "stripe.events"),
        ("changed", "changed"),
    ],
)
def test_a_model_reads_the_tables_of_its_layer(table: str, name: str, models: Path) -> None:
    file = with_attribute(models, f"(select count(*) from {table})")

    assert f"{place_of(file, table)}: the table {name} does not exist for people.sql" in refusal(models)


def test_a_table_that_is_misspelt_is_told_with_the_nearest(models: Path) -> None:
    file = with_attribute(models, "(select count(*) from invoicse)")

    assert f"{place_of(file, 'invoicse')}: the table invoicse does not exist for people.sql (nearest: invoices)" in (
        refusal(models)
    )


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '/tmp/out.csv'",
        "attach '/tmp/other.duckdb' as other",
        "delete from customerio.people",
        "-- quietly\nupdate customerio.people set email = null",
        "set enable_external_access = true",
        "create table mine as select 1",
        "with gone as (delete from customerio.people returning *) select * from gone",
    ],
)
@pytest.mark.parametrize("name", ["people.sql", "seats.sql", "objects/seats.sql"])
def test_a_model_is_a_select(statement: str, name: str, models: Path) -> None:
    (models / name).write_text(statement)

    told = refusal(models)

    assert re.search(rf"{name}(:\d+:\d+: this is no select|: A CTE needs a SELECT)", told)


def test_a_model_is_one_select(models: Path) -> None:
    (models / "people.sql").write_text("select 1; delete from customerio.people")

    assert "people.sql" in refusal(models)


@pytest.mark.parametrize(
    "statement",
    [
        "create table customerio.mine as select 1",
        "create or replace macro mine(a) as a",
        "create temp view mine as select 1",
        "drop table customerio.people",
        "insert into customerio.people (person_id) values ('cus_1')",
    ],
)
def test_functions_are_functions(statement: str, models: Path) -> None:
    file = models / "functions.sql"
    file.write_text(f"{file.read_text()}\n-- More.\n{statement};\n")

    assert f"{place_of(file, statement)}: this is no `create or replace temp macro`" in refusal(models)


@pytest.mark.parametrize("body", ["table select 1", "(select count(*) from stripe.customers)", "random() * a"])
def test_a_function_reads_nothing_and_follows_from_what_it_is_given(body: str, models: Path) -> None:
    file = models / "functions.sql"
    file.write_text(f"{file.read_text()}\ncreate or replace temp macro mine(a) as {body};\n")

    told = refusal(models)

    assert any(f"{place_of(file, text)}: " in told for text in ("mine(a)", "create or replace temp macro mine"))


@pytest.mark.parametrize("sql", ["random()", "uuid()", "gen_random_uuid()", "nextval('a')", "current_query()"])
def test_a_value_that_differs_each_time_is_refused(sql: str, models: Path) -> None:
    file = with_attribute(models, sql)
    function = sql.partition("(")[0]

    assert f"{place_of(file, function)}: {function} gives another value each time" in refusal(models)


@pytest.mark.parametrize(
    "sql", ["current_setting('temp_directory')", "version()", "getenv('HOME')", "current_user", "current_catalog"]
)
def test_what_tells_of_the_machine_is_refused(sql: str, models: Path) -> None:
    file = with_attribute(models, sql)
    function = sql.partition("(")[0]

    told = refusal(models)
    assert f"{place_of(file, function)}: {function} tells of the database or this machine" in told


def test_a_model_without_an_end_is_told_by_check(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # So short that it may as well be another file that is broken off: what matters is that it ends, and is told.
    monkeypatch.setattr(check, "CHECK_SECONDS", 0.5)
    (models / "steps.sql").write_text(
        "with recursive steps(n) as (select 1 union all select n + 1 from steps) select count(*) as n from steps"
    )
    with_attribute(models, "(select any_value(n) from steps)")

    assert ".sql does not come to an end over tables without a row" in refusal(models)


def test_a_model_of_events_is_run_by_check_though_there_is_no_event(models: Path) -> None:
    several = "(select n from (values (1), (2)) as several (n))"
    (models / "events.sql").write_text(
        f"select id as event_id, type, customer_id, created, type as name, to_json({several}) as data from events"
    )

    assert "events.sql cannot run" in refusal(models)


def test_a_sample_is_refused(models: Path) -> None:
    (models / "some.sql").write_text("select id from customers using sample 10")
    with_attribute(models, "(select count(*) from some)")

    assert "using sample gives another value each time" in refusal(models)


def test_a_column_may_be_called_like_a_function(models: Path) -> None:
    (models / "keys.sql").write_text("select id as customer_id, id as uuid from customers")
    with_attribute(models, "(select any_value(uuid) from keys where keys.customer_id = owners.id)")

    check_models(policy(models))


def test_duckdb_itself_opens_no_file_for_a_warehouse(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with Warehouse(tmp_path / "w.duckdb").connect() as connection:
        for statement in (
            f"from read_csv('{tmp_path / 'secret.csv'}')",
            f"copy (select 1) to '{tmp_path / 'out.csv'}'",
            f"attach '{tmp_path / 'other.duckdb'}' as other",
            "set enable_external_access = true",
        ):
            with pytest.raises(Exception, match=r"disabled by configuration|while database is running"):
                connection.execute(statement)
    assert not (tmp_path / "out.csv").exists()


def test_a_query_does_not_see_the_variables_of_the_program(tmp_path: Path) -> None:
    secret = pa.table({"a": [1]})
    with (
        Warehouse(tmp_path / "w.duckdb").connect() as connection,
        pytest.raises(Exception, match="secret does not exist"),
    ):
        connection.execute("from secret")
    assert secret.num_rows == 1


# One raw table, found in what is said and not in what is written about it.


def test_an_object_file_that_joins_two_raw_tables_is_refused(models: Path) -> None:
    (models / "objects" / "agreements.sql").write_text(
        "select s.id, s.customer_id, c.payload ->> '$.name' as name from subscriptions as s join customers as c "
        "on s.customer_id = c.id"
    )

    told = refusal(models)

    assert "objects/agreements.sql reads customers and subscriptions." in told
    assert "join them in a file beside people.sql" in told


def test_an_object_file_whose_comment_names_another_table_is_fine(account: Account, models: Path) -> None:
    (models / "objects" / "agreements.sql").write_text(
        "-- Kept apart, because it is joined from customers and from charges.\n"
        "select id, customer_id, 'taken from invoices' as origin from subscriptions /* not from products */"
    )
    account.put("customers", {"id": "cus_1", "created": 1})
    account.put("subscriptions", {"id": "sub_1", "customer": "cus_1"})
    build(account.warehouse, policy(models), run_id="run-1")
    account.put("customers", {"id": "cus_1", "created": 2})
    account.put("subscriptions", {"id": "sub_1", "customer": "cus_1", "status": "active"})
    build(account.warehouse, policy(models), run_id="run-2")

    assert account.rows("select id from model.agreements") == [{"id": "sub_1"}]


def test_a_table_named_with_its_schema_counts_too(models: Path) -> None:
    (models / "objects" / "agreements.sql").write_text("select id, customer_id from stripe.subscriptions")

    assert "the table stripe.subscriptions does not exist for agreements.sql" in refusal(models)


# Names of files.


@pytest.mark.parametrize("name", ["order", "group", "select", "left"])
def test_a_word_of_sql_is_no_name_for_a_table(name: str, models: Path) -> None:
    (models / f"{name}.sql").write_text("select id from customers")

    assert f"{name}.sql cannot be a table: {name} is a word of SQL" in refusal(models)


@pytest.mark.parametrize("name", ["changed", "identity", "scope", "deleted", "new_people", "owners", "former_people"])
@pytest.mark.parametrize("folder", ["", "objects/"])
def test_a_table_of_the_build_is_no_name_for_a_table(name: str, folder: str, models: Path) -> None:
    (models / f"{folder}{name}.sql").write_text("select id, customer_id from subscriptions")

    assert f"{folder}{name}.sql cannot be a table: builds make one of this name" in refusal(models)


def test_no_table_of_a_build_is_free_for_models(account: Account, models: Path) -> None:
    """Whatever a build makes beside the models is a name that is refused."""
    account.put("customers", {"id": "cus_1", "created": 1, "email": "a@example.com"})
    account.build()
    account.put("customers", {"id": "cus_1", "created": 1, "email": "b@example.com"})
    with account.warehouse.transaction() as connection:
        _Build(connection, Policy(), load_models(None), "run-1", "2026-01-02", full=False, part_size=None).run(
            lambda: 0.0
        )
        made = {
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'temp' union all "
                "select view_name from duckdb_views() where database_name = 'temp' and not internal"
            ).fetchall()
        }
    models_of_ours = {file.name for file in load_models(None)} | set(RAW)

    assert {name for name in made if " " not in name} - models_of_ours <= _made_by_builds()
    assert {row["table_name"] for row in account.rows(
        "select table_name from duckdb_tables() where schema_name = 'model'"
    )} - models_of_ours == KEPT  # fmt: skip


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pepole.sql", "pepole, which no model reads. The nearest file that has a meaning is people.sql"),
        ("event.sql", "event, which no model reads. The nearest file that has a meaning is events.sql"),
        ("loyalty.sql", "loyalty, which no model reads. Rename it"),
        ("objects/custmers.sql", "no model reads. The nearest file that has a meaning is customers.sql"),
    ],
)  # fmt: skip
def test_a_file_that_nobody_reads_is_refused(name: str, told: str, models: Path) -> None:
    (models / name).write_text("select id, customer_id from subscriptions")

    assert told in refusal(models)


def test_a_folder_that_nobody_reads_is_refused(models: Path) -> None:
    (models / "object").mkdir()
    (models / "object" / "seats.sql").write_text("select 1")

    assert re.search(r"models/object holds models or seeds.*nearest folder.*: .*models/objects", refusal(models))


def test_a_file_in_capitals_is_refused(models: Path) -> None:
    (models / "PEOPLE.SQL").write_text("select 1")

    assert "PEOPLE.SQL is passed over" in refusal(models)


def test_everything_wrong_is_told_at_once(models: Path) -> None:
    (models / "pepole.sql").write_text("select id from customers")
    (models / "recurring.sql").write_text("select 1 as a, from from")
    file = with_attribute(models, "random()")

    told = refusal(models)

    assert place_of(file, "random()") in told
    assert re.search(r"recurring\.sql:1:\d+: syntax error", told)


def test_a_build_refuses_what_check_refuses(account: Account, models: Path) -> None:
    with_attribute(models, "(select content from read_text('/etc/hostname'))")

    with pytest.raises(ModelError, match="a model cannot read from read_text"):
        build(account.warehouse, policy(models), run_id="run-1")
    assert not account.warehouse.exists


def test_models_are_held_to_the_rules_again_only_when_they_or_what_runs_them_changed(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[object] = []
    hold = rules.hold_to_rules
    monkeypatch.setattr(rules, "hold_to_rules", lambda found: (held.append(found), hold(found)))
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")

    def times() -> int:
        held.clear()
        build(warehouse, policy(models), run_id="run")
        return len(held)

    assert [times(), times()] == [1, 0]
    with_attribute(models, "1")
    assert [times(), times()] == [1, 0]
    monkeypatch.setattr(rules, "version", lambda _: "another release")
    assert [times(), times()] == [1, 0]
    with_attribute(models, "version()")
    for _ in range(2):
        with pytest.raises(ModelError):
            times()
