"""`stripe-cio report`: one file with the pictures of the overview."""

import stat
from pathlib import Path

import pytest

from stripe_cio_pipeline.sandbox import Sandbox


def test_the_report_is_one_line_and_one_file_for_its_owner_alone(cli, synced: Sandbox) -> None:
    answer = cli("report")

    assert answer.exit_code == 0, answer.words
    (line,) = answer.out.splitlines()
    file = Path(line.removeprefix("✔ The report is in "))
    assert file == (Path(".stripe_cio") / "report.html").absolute()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    page = file.read_text(encoding="utf-8")
    assert f"Stripe account {synced.stripe.switches.account_id}" in page
    # One customer, who is linked and has no subscription.
    assert "without a subscription yet: 1" in page
    assert "1 · 100.0%" in page
    assert "customer-1@example.com" not in page


def test_a_report_takes_the_place_of_the_one_before_it_and_leaves_nothing_beside_it(
    cli, synced: Sandbox, tmp_path: Path
) -> None:
    place = tmp_path / "week" / "49.html"
    place.parent.mkdir()
    place.write_text("old")
    place.chmod(0o644)

    answer = cli("report", "--output", str(place), "--json")

    assert answer.json == {"report": str(place)}
    assert place.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list(place.parent.iterdir()) == [place]


def test_the_warehouse_is_only_read(cli, synced: Sandbox) -> None:
    warehouse = Path(".stripe_cio") / "warehouse.duckdb"
    before = warehouse.read_bytes()
    assert cli("report").exit_code == 0
    assert warehouse.read_bytes() == before


@pytest.mark.parametrize("place", ["no/such/folder/report.html", "a_file/report.html", "."])
def test_a_place_that_cannot_be_written_is_told(place: str, cli, synced: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    answer = cli("report", "--output", str(tmp_path / place))
    assert answer.exit_code == 1
    assert "The report cannot be written to" in answer.err
    assert "stripe-cio report --output FILE" in answer.err


def test_without_a_warehouse_the_next_step_is_told(cli) -> None:
    answer = cli("report")
    assert answer.exit_code == 1
    assert "Run stripe-cio sync first" in answer.err
    assert not list(Path().rglob("*.html"))
