"""Models of the user's own: replaced, extended, and wrong."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import build, check_models, copy_models, lineage
from stripe_cio_pipeline.policy import Models, Policy
from tests.model.account import Account


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    copy_models(folder)
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

    assert copy_models(models) == [models / "events.sql"]
    assert (models / "people.sql").read_text() == "select 1"


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

    with pytest.raises(ModelError, match=r"people\.sql has no column person_id"):
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
