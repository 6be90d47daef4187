"""Tables of the user's own: CSV files in `models/seeds/`."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import check_models, copy_models
from stripe_cio_pipeline.policy import Models, Policy
from tests.model.account import Account


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    copy_models(folder)
    (folder / "seeds").mkdir()
    (folder / "seeds" / "regions.csv").write_text("code,region,since\nDE,Europe,2026-01-02\nUS,America,2026-01-03\n")
    people = folder / "people.sql"
    people.write_text(
        people.read_text()
        .replace(
            "owners.name as name,", "owners.name as name, regions.region as region, regions.since as region_since,"
        )
        .replace("cross join identity", "cross join identity left join regions on owners.country = regions.code")
    )
    return folder


def policy(folder: Path) -> Policy:
    return Policy(models=Models(folder=folder))


def customers(account: Account) -> None:
    account.put(
        "customers",
        {"id": "cus_1", "created": 1, "address": {"country": "DE"}},
        {"id": "cus_2", "created": 1, "address": {"country": "FR"}},
    )


def test_a_seed_is_a_table_with_types(account: Account, models: Path) -> None:
    customers(account)

    account.build(policy(models))

    assert [(row["region"], row["region_since"]) for row in account.people().values()] == [
        ("Europe", 1767312000),
        (None, None),
    ]


def test_a_seed_that_changes_computes_whoever_reads_it_anew(account: Account, models: Path) -> None:
    customers(account)
    account.build(policy(models))
    seed = models / "seeds" / "regions.csv"
    seed.write_text(seed.read_text() + "FR,Europe,2026-01-04\n")

    report = account.build(policy(models))

    assert (report.full, [row["region"] for row in account.people().values()]) == (True, ["Europe", "Europe"])
    assert account.build(policy(models)).changed == 0


def test_typed_tables_and_events_read_seeds_too(account: Account, models: Path) -> None:
    (models / "objects").mkdir()
    (models / "objects" / "places.sql").write_text(
        "select id, regions.region from customers left join regions on payload ->> '$.address.country' = regions.code"
    )
    events = models / "events.sql"
    events.write_text(f"select * from ({events.read_text()}) where type not in (select region from regions)")
    customers(account)

    account.build(policy(models))
    seed = models / "seeds" / "regions.csv"
    seed.write_text(seed.read_text().replace("Europe", "EU"))
    account.build(policy(models))

    assert account.rows("select region from model.places order by id") == [{"region": "EU"}, {"region": None}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("regions.csv", "code,region,since\nDE,secret\n", r"regions\.csv:2 has 2 values, and the first line names 3"),
        ("regions.csv", 'code,region,since\nDE,"Eur"ope,secret\n', r"regions\.csv:2 cannot be read as CSV"),
        ("regions.csv", "", r"regions\.csv is empty"),
        ("regions.csv", "code,Code,region,since\nDE,DE,Europe,2026-01-02\n", r"regions\.csv.*(given twice|made up)"),
        ("regions.json", "{}", r"regions\.json is no seed"),
        ("customers.csv", "a\n1\n", r"seeds/customers\.csv and .*would make one table, customers"),
        ("changed.csv", "a\n1\n", r"changed\.csv cannot be a table"),
        ("my plans.csv", "a\n1\n", r"my plans\.csv cannot be a table"),
        ("order.csv", "a\n1\n", r"order\.csv cannot be a table"),
        ("prcies.csv", "a\n1\n", r"prcies\.csv makes the table prcies, which no model reads.*nearest.*prices"),
    ],
)  # fmt: skip
def test_a_seed_that_cannot_be_a_table_is_refused(name: str, content: str, told: str, models: Path) -> None:
    (models / "seeds" / name).write_text(content)

    with pytest.raises(ModelError, match=told) as raised:
        check_models(policy(models))

    assert "secret" not in str(raised.value)


def test_a_folder_of_seeds_that_is_misspelt_is_refused(models: Path) -> None:
    (models / "seeds").rename(models / "seed")

    with pytest.raises(ModelError, match=r"models/seed holds models or seeds.*nearest folder that is read: .*/seeds"):
        check_models(policy(models))
