"""Models of the user's own: replaced, extended, and wrong."""

import re
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import build, check_models, compare_copies, copy_models
from stripe_cio_pipeline.model.trace import lineage
from stripe_cio_pipeline.policy import Models, Policy
from tests.model.account import Account


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    copy_models(folder, everything=True)
    return folder


def policy(folder: Path) -> Policy:
    return Policy(models=Models(folder=folder))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_copied_models_are_the_built_in_ones(models: Path) -> None:
    check_models(policy(models))

    assert lineage(policy(models)) == lineage(Policy())


def test_copying_again_leaves_an_edited_file_alone(models: Path) -> None:
    (models / "people.sql").write_text("select 1")
    (models / "events.sql").unlink()

    assert copy_models(models, everything=True) == [models / "events.sql"]
    assert (models / "people.sql").read_text() == "select 1"


def test_people_and_events_alone_are_copied_unless_more_is_asked_for(tmp_path: Path) -> None:
    assert [path.name for path in copy_models(tmp_path)] == ["people.sql", "events.sql"]
    assert {path.name for path in copy_models(tmp_path, everything=True)} >= {"functions.sql", "customers.sql"}


def test_copies_are_compared_with_the_built_in_files(tmp_path: Path) -> None:
    copy_models(tmp_path, everything=True)
    edited, older, bare = tmp_path / "people.sql", tmp_path / "events.sql", tmp_path / "objects" / "customers.sql"
    edited.write_text(edited.read_text() + "-- Mine.\n")
    # As a copy looks that another release made.
    first, rest = older.read_text().split("\n", 1)
    older.write_text(re.sub(r"\([0-9a-f]{12}\)", "(0123456789ab)", first) + "\n-- Another line.\n" + rest)
    bare.write_text(bare.read_text().split("\n", 1)[1])

    found = {Path(copy.where).name: copy.equal for copy in compare_copies(tmp_path)}

    assert "people.sql" not in found
    assert found.pop("events.sql") is False
    assert found.keys() >= {"customers.sql", "members.sql", "recurring.sql"}
    assert all(found.values())


def test_a_metadata_field_is_one_line(account: Account, models: Path) -> None:
    edit(
        models / "people.sql",
        "owners.name as name,",
        "owners.name as name,\n    owners.metadata ->> 'company' as company,",
    )
    account.put(
        "customers", {"id": "cus_1", "created": 1, "metadata": {"company": "Example"}}, {"id": "cus_2", "metadata": {}}
    )

    report = build(account.warehouse, policy(models), run_id="run-1")

    assert "company" in {column.name for column in report.columns}
    assert [person["company"] for person in account.people().values()] == ["Example", None]
    (source,) = lineage(policy(models), "company")["company"]
    assert (source.table, source.field) == ("stripe.customers", "metadata.company")


def test_an_edit_computes_everybody_anew_and_a_removed_column_is_gone(account: Account, models: Path) -> None:
    account.put("customers", {"id": "cus_1", "created": 1}, {"id": "cus_2", "created": 2})
    build(account.warehouse, policy(models), run_id="run-1")
    edit(models / "people.sql", "    owners.phone as phone,\n", "")

    report = build(account.warehouse, policy(models), run_id="run-2")

    assert (report.full, report.changed) == (True, 2)
    assert "phone" not in {column.name for column in report.columns}


def test_a_new_file_is_a_table_for_people_sql(account: Account, models: Path) -> None:
    (models / "seats.sql").write_text("select customer_id, sum(quantity) as seats from subscription_items group by 1")
    edit(models / "people.sql", "owners.name as name,", "owners.name as name,\n    seats.seats as seats,")
    edit(
        models / "people.sql",
        "cross join identity",
        "cross join identity\nleft join seats on owners.id = seats.customer_id",
    )
    items = {"data": [{"id": "si_1", "quantity": 4}, {"id": "si_2", "quantity": 3}]}
    account.put("customers", {"id": "cus_1", "created": 1}, {"id": "cus_2", "created": 2})
    build(account.warehouse, policy(models), run_id="run-1")
    account.put("subscriptions", {"id": "sub_1", "customer": "cus_1", "status": "active", "items": items})

    report = build(account.warehouse, policy(models), run_id="run-2")

    assert (report.full, report.changed) == (False, 1)
    assert account.person("cus_1")["seats"] == 7
    assert lineage(policy(models), "seats")["seats"][0].through[-1] == "model.seats.seats"


def test_a_new_file_in_objects_is_a_typed_table(account: Account, models: Path) -> None:
    (models / "objects" / "agreements.sql").write_text(
        "select id, customer_id, payload ->> '$.metadata.agreement' as agreement from subscriptions"
    )
    account.put("subscriptions", {"id": "sub_1", "customer": "cus_1", "metadata": {"agreement": "A-1"}})
    build(account.warehouse, policy(models), run_id="run-1")
    account.put("subscriptions", {"id": "sub_1", "customer": "cus_1", "metadata": {"agreement": "A-2"}})
    build(account.warehouse, policy(models), run_id="run-2")

    assert account.rows("select agreement from model.agreements") == [{"agreement": "A-2"}]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("owners.name as name,", "owners.nam as name,", r"people\.sql:(\d+):(\d+): .*nam"),
        ("owners.name as name,", "owners.name name as,", r"people\.sql:(\d+):(\d+): .*syntax error"),
        ("left join due ", "left join dues ", r"people\.sql:(\d+):(\d+): .*dues does not exist"),
        ("owners.name as name,", "lowr(owners.name) as name,", r"people\.sql:(\d+):(\d+): .*lowr"),
    ],
)
def test_an_error_names_file_line_and_column(old: str, new: str, message: str, models: Path) -> None:
    file = models / "people.sql"
    edit(file, old, new)
    changed = next(number for number, line in enumerate(file.read_text().split("\n"), 1) if new.strip() in line)

    with pytest.raises(ModelError, match=message) as raised:
        check_models(policy(models))

    place = str(raised.value).split("people.sql:")[1].split(":")
    column = int(place[1])
    assert int(place[0]) == changed
    assert file.read_text().split("\n")[changed - 1][column - 1 :].strip() != ""
    assert raised.value.exit_code == 2


def test_an_error_in_a_helper_names_the_helper(models: Path) -> None:
    (models / "seats.sql").write_text("select 1 as a\nfrom nowhere")

    with pytest.raises(ModelError, match=r"seats\.sql:2:6: .*nowhere"):
        check_models(policy(models))


def test_a_value_that_breaks_a_model_is_not_repeated(account: Account, models: Path) -> None:
    edit(models / "people.sql", "owners.name as name,", "owners.name::integer as name,")
    account.put("customers", {"id": "cus_1", "created": 1, "name": "secret"})

    with pytest.raises(ModelError, match=r"people\.sql cannot run on this data \(ConversionException\)") as raised:
        build(account.warehouse, policy(models), run_id="run-1")

    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_join_that_repeats_a_person_is_refused(account: Account, models: Path) -> None:
    edit(models / "people.sql", "cross join identity", "cross join identity\ncross join (values (1), (2)) as twice")
    account.put("customers", {"id": "cus_1", "created": 1})

    with pytest.raises(ModelError, match=r"gives 2 rows for the person cus_1"):
        build(account.warehouse, policy(models), run_id="run-1")


def test_people_without_person_id_are_refused(models: Path) -> None:
    (models / "people.sql").write_text("select id, name from customers")

    with pytest.raises(ModelError, match=r"people\.sql has no column person_id and no column email"):
        check_models(policy(models))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("people.sql", "    owners.usable_email as email,\n"),
        ("objects/subscription_items.sql", "    coalesce(item.price.id, item.plan.id) as price_id,\n"),
        ("objects/charges.sql", "    source_event_id,\n"),
    ],
)
def test_a_column_that_is_read_later_is_missed_in_its_file(name: str, line: str, models: Path) -> None:
    file = models / name
    column = line.split()[-1].rstrip(",")
    text = file.read_text()
    if line not in text:
        pytest.fail(f"{name} has no line {line!r}")
    file.write_text(text.replace(line, ""))

    with pytest.raises(ModelError, match=rf"{name} has no column {column}"):
        check_models(policy(models))


def test_an_identifier_is_text(models: Path) -> None:
    edit(models / "people.sql", "owners.usable_email as email,", "1 as email,")

    with pytest.raises(ModelError, match=r"people\.sql:\d+:\d+: email is INTEGER and no text"):
        check_models(policy(models))


@pytest.mark.parametrize(
    ("name", "sql", "told"),
    [
        (
            "plans.sql",
            'select id as customer_id, 1 as plan, 2 as "Plan" from customers',
            "Plan is given twice, as plan",
        ),
        (
            "plans.sql",
            'with two as (select id as customer_id, 1 as plan, 2 as "Plan" from customers) select * from two',
            "two columns are called Plan, so that DuckDB made up the name Plan_1",
        ),
        ("plans.sql", "select * from customers join subscriptions on customers.id = customer_id", "id is given twice"),
    ],
)
def test_a_helper_gives_each_name_once(name: str, sql: str, told: str, models: Path) -> None:
    (models / name).write_text(sql)
    edit(models / "people.sql", "cross join identity", "cross join identity left join plans on plans.customer_id = id")

    with pytest.raises(ModelError) as raised:
        check_models(policy(models))

    assert told in str(raised.value)
    assert "plans.sql:1:" in str(raised.value)


def test_a_name_that_is_written_may_end_in_a_number(models: Path) -> None:
    edit(models / "people.sql", "owners.name as name,", "owners.name as name, 1 as plan_1,")

    check_models(policy(models))


def test_events_need_their_columns(models: Path) -> None:
    (models / "events.sql").write_text("select id as event_id, type, customer_id, created from events")

    with pytest.raises(ModelError, match=r"events\.sql has no column name and no column data"):
        check_models(policy(models))


def test_models_that_read_each_other_are_refused(models: Path) -> None:
    (models / "a.sql").write_text("select * from b")
    (models / "b.sql").write_text("select * from a")

    with pytest.raises(ModelError, match=r"read each other in a circle: .*a\.sql, .*b\.sql"):
        check_models(policy(models))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        check_models(policy(tmp_path / "nowhere"))


def test_sql_that_cannot_be_followed_leaves_the_rest_of_the_lineage(models: Path) -> None:
    file = models / "recurring.sql"
    file.write_text("select ]] from nowhere")

    found = lineage(policy(models))

    assert found["subscription_status"][0].field == "status"
    assert all(not one.through or one.through[-1] != "model.recurring.plan" for one in found["plan"])
    with pytest.raises(ModelError, match=r"recurring\.sql:1:\d+: this SQL cannot be followed"):
        lineage(policy(models), "plan")
