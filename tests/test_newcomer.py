"""The three most likely changes touch the files that CONTRIBUTING.md names, and nothing else.

They are made in a copy of the package, by edits as a newcomer makes them, and a process of its own syncs with it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stripe_cio_pipeline
from stripe_cio_pipeline.extract import OBJECTS
from stripe_cio_pipeline.settings import STRIPE_PERMISSIONS

ROOT = Path(__file__).parent.parent
HOW = re.compile(r"^\*\*an? (?P<what>[\w ]+)\*\*: (?P<how>.*?)\n\n", re.MULTILINE | re.DOTALL)

#: For each change the files, each with what is put before a line of it; a file without such a line is new.
CHANGES: dict[str, dict[str, list[tuple[str, str]]]] = {
    "attribute": {
        "model/sql/people.sql": [("    owners.name as name,\n", "    length(owners.name) as length_of_name,\n")],
    },
    "event": {
        "model/sql/events.sql": [
            (
                "        when type = 'charge.refunded'\n",
                """\
        when type = 'charge.succeeded'
            then json_object('amount', major(object.amount, object.currency))
""",
            ),
        ],
    },
    "Stripe object type": {
        "extract/objects.py": [
            (
                '    StripeObject(\n        name="products",\n',
                """\
    StripeObject(
        name="refunds",
        kind="refund",
        path="/v1/refunds",
        permission="rak_charge_read",
        customer_field=None,
        required=frozenset({"id", "created", "amount"}),
        parameters={},
    ),
""",
            )
        ],
        "warehouse/schema/900_refunds.sql": [("", "create table stripe.refunds as from stripe.customers limit 0;\n")],
    },
}

SYNC = """
import contextlib, io, json, os, sys
from pathlib import Path
import stripe_cio_pipeline
from stripe_cio_pipeline.cli.app import run
from stripe_cio_pipeline.definitions import defs
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.warehouse import Warehouse

def sync():
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exit_code = run(["sync", "--json"])
    assert exit_code == 0, told.getvalue()

with Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as sandbox:
    os.environ |= sandbox.environment()
    stripe = sandbox.stripe
    customer = stripe.create_customer(email="customer-1@example.com", name="Example")["id"]
    former = stripe.create_charge(customer, amount=700)["id"]
    first = stripe.refund(former)["id"]
    sandbox.clock.advance(minutes=2)
    sync()
    second = stripe.refund(stripe.create_charge(customer, amount=1250)["id"], amount=250)["id"]
    sandbox.clock.advance(minutes=2)
    sync()
    with Warehouse(".stripe_cio/warehouse.duckdb").reading() as connection:
        refunds = connection.execute("select id from stripe.refunds order by created, id").fetchall()
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        run(["status", "--json"])
    print(json.dumps({
        "package": str(Path(stripe_cio_pipeline.__file__).parent),
        "attributes": sandbox.customerio.person(id=customer).attributes,
        "events": [[event.name, event.attributes] for event in sandbox.customerio.events()],
        "refunds": [[id_ for (id_,) in refunds], [first, second]],
        "status": [row["object"] for row in json.loads(told.getvalue())["objects"]],
        "assets": [spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()],
    }))
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a sync with all three changes came to."""
    folder = tmp_path_factory.mktemp("newcomer")
    package = folder / "code" / "stripe_cio_pipeline"
    shutil.copytree(Path(stripe_cio_pipeline.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for files in CHANGES.values():
        for name, edits in files.items():
            for before, put in edits:
                edit(package / name, before, put)
    (folder / "stripe_cio.yaml").write_text(
        "identity: {settle_seconds: 0}\nguard: {first_load: send}\nevents: {forward: [default, charge.succeeded]}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "DAGSTER_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-c", SYNC], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["package"] == str(package)
    return found


def edit(file: Path, before: str, put: str) -> None:
    if not before:
        file.write_text(put, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file.name} has changed: this test must put its line elsewhere"
    file.write_text(text.replace(before, put + before), encoding="utf-8")


@pytest.mark.parametrize("what", CHANGES)
def test_contributing_names_the_files_that_a_change_touches(what: str) -> None:
    how = {match["what"]: match["how"] for match in HOW.finditer((ROOT / "CONTRIBUTING.md").read_text())}
    named = set(re.findall(r"`(?:stripe_cio_pipeline/)?((?:model|extract|warehouse)/[\w/.]+)`", how[what]))
    assert {re.sub(r"\d+_\w+\.sql$", "NNN_name.sql", name) for name in CHANGES[what]} == named
    assert len(named) <= 2


def test_an_attribute_is_one_column(changed: Any) -> None:
    assert changed["attributes"]["length_of_name"] == len("Example")


def test_an_event_is_one_edit_of_its_file(changed: Any) -> None:
    assert ["charge.succeeded", {"amount": 12.5}] in changed["events"]


def test_an_object_type_is_an_entry_and_a_table(changed: Any) -> None:
    stored, given = changed["refunds"]
    # The first was listed, the second came by an event.
    assert stored == given
    assert "refunds" in changed["status"]
    assert "stripe/refunds" in changed["assets"]


def test_every_permission_that_an_object_type_needs_is_asked_for() -> None:
    assert {kind.permission for kind in OBJECTS} <= set(STRIPE_PERMISSIONS)
