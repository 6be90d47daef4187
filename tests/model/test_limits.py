"""Customer.io's limits, held in the model and told in the report."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import build, check_models
from stripe_cio_pipeline.model.report import ModelReport
from stripe_cio_pipeline.policy import Customerio, Models, Policy
from tests.model.account import Account

PEOPLE = "select id as person_id, id, null::varchar as email, name, {columns} from customers"


def with_people(folder: Path, columns: str, oversize: str = "drop") -> Policy:
    folder.mkdir(exist_ok=True)
    (folder / "people.sql").write_text(PEOPLE.format(columns=columns))
    return Policy(models=Models(folder=folder), customerio=Customerio(oversize_value=oversize))


def built(account: Account, policy: Policy) -> ModelReport:
    return build(account.warehouse, policy, run_id="run-1")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def _two_customers(account: Account) -> None:
    account.put(
        "customers", {"id": "cus_1", "created": 1, "name": "ä" * 600}, {"id": "cus_2", "created": 1, "name": "b"}
    )


def test_a_value_over_1000_bytes_is_left_out_and_reported(account: Account, models: Path) -> None:
    report = built(account, with_people(models, "1 as x"))

    (finding,) = report.findings
    assert (finding.column, finding.limit, finding.action) == ("name", "value_bytes", "dropped")
    assert (finding.people, finding.example) == (1, "cus_1")
    assert [person["name"] for person in account.people().values()] == [None, "b"]


def test_a_value_over_1000_bytes_is_cut_at_a_character_where_policy_says_so(account: Account, models: Path) -> None:
    report = built(account, with_people(models, "1 as x", "truncate"))

    assert report.findings[0].action == "truncated"
    assert account.person("cus_1")["name"] == "ä" * 500


def test_a_value_over_1000_bytes_rejects_the_person_where_policy_says_so(account: Account, models: Path) -> None:
    report = built(account, with_people(models, "1 as x", "reject"))

    assert report.findings[0].action == "rejected"
    assert [person["_rejected"] for person in account.people().values()] == ["name", None]


def test_a_long_list_is_left_out_whole(account: Account, models: Path) -> None:
    policy = with_people(
        models, "list_transform(range(if(name = 'b', 300, 1)), lambda n: 'n' || n) as list_of_names", "truncate"
    )

    report = built(account, policy)

    assert {(finding.column, finding.action) for finding in report.findings} >= {("list_of_names", "dropped")}
    assert [person["list_of_names"] for person in account.people().values()] == [["n0"], None]


def test_milliseconds_are_left_out_and_reported(account: Account, models: Path) -> None:
    report = built(account, with_people(models, "1700000000000 as seen_at, 1700000000 as paid_at"))

    assert [(found.column, found.limit, found.people) for found in report.findings if found.column != "name"] == [
        ("seen_at", "milliseconds", 2)
    ]
    assert [person["paid_at"] for person in account.people().values()] == [1700000000] * 2


def test_timestamps_become_unix_seconds(account: Account, models: Path) -> None:
    built(account, with_people(models, "timestamp '2026-01-02 03:04:05' as seen_at, date '2026-01-02' as day"))

    assert account.rows("select distinct seen_at, day from model.people") == [
        {"seen_at": 1767323045, "day": 1767312000}
    ]


def test_what_json_cannot_say_is_left_out(account: Account, models: Path) -> None:
    report = built(account, with_people(models, "'nan'::double as share"))

    assert ("share", "not_finite") in {(finding.column, finding.limit) for finding in report.findings}


NOT_A_NUMBER = [
    "'nan'::double",
    "['inf'::double, 1]",
    "struct_pack(share := 'nan'::double, text := 'a')",
    "map {'share': 'nan'::float}",
    "[struct_pack(shares := [map {'a': 'nan'::double}])]",
]


@pytest.mark.parametrize("value", NOT_A_NUMBER)
def test_what_json_cannot_say_is_left_out_however_deep_it_stands(account: Account, models: Path, value: str) -> None:
    # Of two people one has it: the other keeps what is fine.
    report = built(account, with_people(models, f"case when name = 'b' then {value} end as share, 1 as x"))

    assert [
        (found.column, found.limit, found.action, found.people) for found in report.findings if found.column != "name"
    ] == [("share", "not_finite", "dropped", 1)]
    assert [person["share"] for person in account.people().values()] == [None, None]


FINITE = ["[1.5::double, null]", "struct_pack(share := null::double)", "map {'share': 1::float}", "[]::double[]"]


@pytest.mark.parametrize("value", FINITE)
def test_numbers_that_json_can_say_stay(account: Account, models: Path, value: str) -> None:
    report = built(account, with_people(models, f"{value} as share"))

    assert [found.column for found in report.findings] == ["name"]
    assert all(person["share"] is not None for person in account.people().values())


def test_an_attribute_that_decides_who_gets_mail_is_noted(account: Account, models: Path) -> None:
    report = built(account, with_people(models, "true as unsubscribed"))

    assert ("unsubscribed", "noted") in {(finding.column, finding.action) for finding in report.findings}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ('1 as "Plan", 2 as plan', r"people\.sql:1:\d+: plan is given twice, as Plan too"),
        ("1 as plan, 2 as plan", r"people\.sql:1:\d+: plan is given twice"),
        ('1 as "Email"', r"people\.sql:1:\d+: Email is given twice, as email too"),
        ('1 as "Created_At"', r"people\.sql:1:\d+: Created_At is not created_at for Customer\.io"),
        ('1 as "say ""hello"""', r"'say \"hello\"' cannot be the name of an attribute"),
        ('1 as "back\\slash"', r"cannot be the name of an attribute"),
        ('1 as "two\nlines"', r"cannot be the name of an attribute"),
        ("['a'::blob] as pictures", r"people\.sql:1:\d+: pictures is binary"),
        ("struct_pack(a := 'a'::blob) as pictures", r"people\.sql:1:\d+: pictures is binary"),
        ("'101'::bit as flags", r"people\.sql:1:\d+: flags is binary"),
        ("row(1, 2) as pair", r"people\.sql:1:\d+: pair is a struct without names"),
        ("union_value(a := 1) as either", r"people\.sql:1:\d+: either is of type UNION"),
        ("1 as cio_id", r"people\.sql:1:\d+: cio_id is a name that Customer\.io keeps"),
        ("1 as _mine", r"people\.sql:1:\d+: _mine begins with _"),
        (f"1 as {'n' * 151}", r"has 151 bytes"),
        (", ".join(f"{n} as a{n}" for n in range(300)), r"gives 303 attributes"),
        ("'a'::blob as picture", r"picture is binary"),
    ],
)
def test_a_column_that_cannot_be_an_attribute_is_refused(columns: str, message: str, models: Path) -> None:
    with pytest.raises(ModelError, match=message):
        check_models(with_people(models, columns))
