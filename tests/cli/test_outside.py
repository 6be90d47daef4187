"""Names that others chose, shown by every command: what a terminal would act on is written out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stripe_cio_pipeline.cli.app import app
from stripe_cio_pipeline.cli.demo import show_proof
from stripe_cio_pipeline.cli.demo_proof import Difference, Proof
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sandbox.stripe import payloads

#: A colour, a title, a turn of direction, a line that looks like ours, and a hidden sign.
HOSTILE = "\x1b[31mEvil\x1b]0;x\x07 \u202egnp\n✔ all fine \u200b\x9b2J"

COMMANDS = [
    ("sync",),
    ("sync", "--dry-run"),
    ("plan",),
    ("status",),
    ("report",),
    ("report", "--output", HOSTILE),
    ("explain", "PERSON"),
    ("explain", "shown@example.com"),
    ("explain", HOSTILE),
    ("lineage",),
    ("lineage", HOSTILE),
    ("retry", "PERSON"),
    ("retry", HOSTILE),
    ("reconcile",),
    ("verify",),
    ("backfill-events", "--since", "2020-01-01"),
    ("check",),
    ("tidy",),
    ("support",),
    ("init",),
    ("init", "FOLDER"),
    ("forget", HOSTILE, "--yes"),
    (HOSTILE,),
]


@pytest.fixture(scope="module")
def hostile(cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], str]]:
    """A folder that was synced with an account whose texts are hostile wherever somebody else writes them."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "stripe_cio.yaml").write_text(
        "identity: {settle_seconds: 0}\nguard: {first_load: send}\nevents: {since: 2020-01-01T00:00:00Z}\n"
    )
    models = folder / "models"
    models.mkdir()
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Sandbox(customers=0, leads=0, customerio=CustomerioSwitches.gentle()) as sandbox,
    ):
        stripe = sandbox.stripe
        product = stripe.create_product(HOSTILE)
        price = stripe.create_price(product["id"], unit_amount=900)
        person = stripe.create_customer(
            email="shown@example.com",
            name=HOSTILE,
            phone=HOSTILE,
            description=HOSTILE,
            metadata={HOSTILE[:40]: HOSTILE},
        )
        stripe.attach_card(person["id"])
        stripe.create_subscription(person["id"], price=price["id"])
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        answer = cli("sync")
        assert answer.exit_code == 0, answer.words
        # So that a plan has before and after to show.
        stripe.update_customer(person["id"], name=HOSTILE[::-1], phone=f"{HOSTILE}2")
        sandbox.clock.advance(hours=2)
        yield folder, sandbox.environment(), person["id"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: visible(" ".join(command))[:40])
def test_no_command_lets_text_of_others_act(
    command: tuple[str, ...],
    cli,
    hostile: tuple[Path, dict[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, environment, person = hostile
    monkeypatch.chdir(folder)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    named = {"PERSON": person, "FOLDER": f"new {HOSTILE}"}
    arguments = [named.get(part, part) for part in command]

    for answer in (cli(*arguments), cli(*arguments, "--json")):
        nothing_acts(answer.out + answer.err)


def test_no_command_is_left_out() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    fed = {command[0] for command in COMMANDS} | {"demo"}
    # These stay until they are stopped, and show nothing but addresses of this machine.
    assert set(commands) - fed == {"dev", "listen", "sandbox"}


def nothing_acts(said: str) -> None:
    for line in said.split("\n"):
        assert visible(line) == line
        assert not line.startswith("✔ all fine")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_demo_lets_no_text_act(form: tuple[str, ...], cli, monkeypatch: pytest.MonkeyPatch) -> None:
    made = payloads.customer

    def hostile_customer(**given: Any) -> dict[str, Any]:
        return made(**{**given, "name": HOSTILE, "individual_name": HOSTILE, "phone": HOSTILE})

    monkeypatch.setattr(payloads, "customer", hostile_customer)
    monkeypatch.setenv("STRIPE_CIO_HOME", HOSTILE)

    answer = cli("demo", "--customers", "5", "--days", "1", *form)

    assert answer.exit_code == 0, answer.words
    nothing_acts(answer.out + answer.err)


def test_the_demo_shows_what_differs_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    proof = Proof(people=1, differences=[Difference(HOSTILE, HOSTILE, HOSTILE, [HOSTILE])])

    assert show_proof(Output(as_json=False), proof) == 1
    nothing_acts(capsys.readouterr().out)


def test_programs_get_the_text_as_it_is(cli, hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, environment, person = hostile
    monkeypatch.chdir(folder)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    answer = cli("explain", person, "--json")

    assert any(write["after"].get("name") == HOSTILE for write in answer.json["writes"])
