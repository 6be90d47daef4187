"""From attribute back to Stripe field, computed from the SQL."""

import re
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import ColumnSource, copy_models
from stripe_cio_pipeline.model.trace import lineage, meanings
from stripe_cio_pipeline.policy import Models, Policy


def fields(attribute: str) -> set[str]:
    return {f"{found.table}.{found.field}" for found in lineage(Policy(), attribute)[attribute]}


def test_every_attribute_has_a_source() -> None:
    assert [name for name, sources in lineage(Policy()).items() if not sources] == []


def test_mrr_comes_from_prices_quantities_tiers_and_coupons() -> None:
    assert fields("mrr") >= {
        "stripe.subscriptions.items.data[].price.unit_amount",
        "stripe.subscriptions.items.data[].price.recurring.interval",
        "stripe.subscriptions.items.data[].quantity",
        "stripe.prices.tiers[].unit_amount",
        "stripe.coupons.percent_off",
        "stripe.subscriptions.discounts[].source.coupon.percent_off",
    }


def test_the_way_leads_through_the_models() -> None:
    found = [one for one in lineage(Policy(), "mrr")["mrr"] if one.field == "items.data[].price.unit_amount"]

    assert found[0] == ColumnSource(
        table="stripe.subscriptions",
        field="items.data[].price.unit_amount",
        through=(
            "model.subscription_items.unit_amount",
            "model.recurring_items.monthly_amount",
            "model.recurring.monthly_amount",
        ),
    )


def test_both_places_of_a_field_that_moved_are_named() -> None:
    assert fields("current_period_ends_at") == {
        "stripe.subscriptions.status",
        "stripe.subscriptions.items.data[].current_period_end",
        "stripe.subscriptions.current_period_end",
    }


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("email", {"stripe.customers.email"}),
        ("phone", {"stripe.customers.phone"}),
        ("created_at", {"stripe.customers.created"}),
        ("language", {"stripe.customers.preferred_locales[]"}),
        ("country", {"stripe.customers.address.country", "stripe.customers.shipping.address.country"}),
        ("subscription_status", {"stripe.subscriptions.status"}),
        ("next_payment_attempt_at", {"stripe.invoices.next_payment_attempt"}),
        ("open_invoice_url", {"stripe.invoices.hosted_invoice_url"}),
        ("collection_resumes_at", {"stripe.subscriptions.pause_collection.resumes_at", "stripe.subscriptions.status"}),
        ("stripe_livemode", {"stripe.customers.livemode"}),
    ],
)
def test_a_plain_attribute_comes_from_its_fields_and_no_others(attribute: str, expected: set[str]) -> None:
    assert fields(attribute) == expected


def test_an_attribute_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ModelError, match=r"gives no attribute mr\. It gives: id, email"):
        lineage(Policy(), "mr")


def edited(folder: Path, *edits: tuple[str, str]) -> Policy:
    copy_models(folder)
    file = folder / "people.sql"
    for old, new in edits:
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))
    return Policy(models=Models(folder=folder))


def test_nothing_of_the_built_in_models_is_lost() -> None:
    for model in ("people", "members", "events"):
        assert [
            source for sources in lineage(Policy(), model=model).values() for source in sources if source.lost
        ] == []


@pytest.mark.parametrize(
    ("sql", "fields"),
    [
        ("json_extract(to_json(owners), '$.name')", {"stripe.customers.name"}),
        ("to_json(owners)", {"stripe.customers.name", "stripe.customers.email", "stripe.customers.phone"}),
        ("(select max(invoices.created) from invoices where customer_id = owners.id)", {"stripe.invoices.created"}),
        (
            "(select owners.country || any_value(invoices.currency) from invoices where customer_id = owners.id)",
            {"stripe.customers.address.country", "stripe.invoices.currency"},
        ),
    ],
)
def test_rows_and_queries_in_expressions_are_followed(sql: str, fields: set[str], tmp_path: Path) -> None:
    policy = edited(tmp_path / "models", ("owners.name as name,", f"owners.name as name, {sql} as added,"))

    found = lineage(policy, "added")["added"]

    assert {f"{source.table}.{source.field}" for source in found if not source.lost} >= fields
    assert not any(source.lost for source in found)


@pytest.mark.parametrize(
    "sql",
    [
        "greatest(columns('usable_email'))",
        "coalesce(*columns(['phone', 'country']))",
        "pivoted.total",
        "renamed.b",
    ],
)
def test_where_the_way_is_lost_lineage_says_so(sql: str, tmp_path: Path) -> None:
    policy = edited(
        tmp_path / "models",
        ("owners.name as name,", f"owners.name as name,\n{sql} as added,"),
        (
            "cross join identity",
            """cross join identity
            cross join (pivot (select 'total' as kind, 1 as n) on kind in ('total') using sum(n)) as pivoted
            cross join (select 1 as a) as renamed(b)""",
        ),
    )
    line = (tmp_path / "models" / "people.sql").read_text().split(f"{sql} as added")[0].count("\n") + 1

    (lost,) = [source for source in lineage(policy, "added")["added"] if source.lost]

    assert (lost.table, lost.field) == ("", "")
    assert re.search(r"people\.sql(:\d+:\d+)?$", lost.lost)
    if "columns(" in sql:
        assert f"people.sql:{line}:" in lost.lost


def test_attributes_that_a_pattern_names_are_named_and_lost(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "people.sql").write_text(
        "select id as person_id, id, email, columns('na.*|phone') from customers where not deleted"
    )

    found = lineage(Policy(models=Models(folder=folder)))

    assert list(found) == ["id", "email", "name", "phone"]
    assert [source.lost.split("/")[-1] for source in found["phone"]] == ["people.sql:1:36"]
    assert [source.field for source in found["email"]] == ["email"]


def test_a_star_may_replace_and_rename(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "people.sql").write_text(
        "with mine as (select id, email, name, phone from customers) "
        "select id as person_id, * replace (upper(name) as name) rename (phone as mobile) from mine"
    )

    found = lineage(Policy(models=Models(folder=folder)))

    assert {name: [source.field for source in sources] for name, sources in found.items()} == {
        "id": ["id"],
        "email": ["email"],
        "name": ["name", "individual_name", "business_name"],
        "mobile": ["phone"],
    }


def test_a_seed_is_a_source_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    policy = edited(
        folder,
        (
            "owners.name as name,",
            "owners.name as name, (select any_value(region) from regions where code = owners.country) as region,",
        ),
    )
    (folder / "seeds").mkdir()
    (folder / "seeds" / "regions.csv").write_text("code,region\nDE,Europe\n")

    assert lineage(policy, "region")["region"] == (ColumnSource("seeds.regions", "region", ()),)


def test_what_an_attribute_means_is_told_where_it_is_still_the_built_in_one(tmp_path: Path) -> None:
    told = meanings(edited(tmp_path / "models", ("owners.name as name", "upper(owners.name) as name")))
    assert set(meanings(Policy())) - set(told) == {"name"}
