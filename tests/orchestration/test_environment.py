"""The variables of one pipeline among several."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.orchestration.environment import read_environment
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource, resource_with

KEY = "rk_test_0000000000000000"


def test_only_variables_with_the_prefix_are_read() -> None:
    found = {"ACME_STRIPE_API_KEY": KEY, "CUSTOMERIO_SITE_ID": "theirs", "ACME_STRIPE_CIO_HOME": "/somewhere"}
    settings = read_environment("ACME_", found)
    assert settings.require_stripe() == KEY
    assert settings.customerio_site_id is None
    assert settings.home == Path("/somewhere")


def test_a_pipeline_with_a_prefix_keeps_its_warehouse_in_the_home_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_CIO_HOME", "state")
    north = PipelineResource(environment_prefix="NORTH_", name="north")
    assert north.read_settings().warehouse_location == "state/north.duckdb"
    monkeypatch.setenv("NORTH_STRIPE_CIO_HOME", "elsewhere")
    assert north.read_settings().warehouse_location == "elsewhere/north.duckdb"


def test_a_wrong_variable_is_named_with_its_prefix_and_without_its_value() -> None:
    with pytest.raises(SettingsError, match="ACME_CUSTOMERIO_REGION") as wrong:
        read_environment("ACME_", {"ACME_CUSTOMERIO_REGION": "mars"})
    assert "mars" not in str(wrong.value)
    assert "ACME_CUSTOMERIO_REGION: must be us or eu" in wrong.value.what


def test_a_pipeline_with_a_name_has_a_warehouse_of_its_own() -> None:
    assert PipelineResource(home="data").read_settings().warehouse_location == "data/warehouse.duckdb"
    assert PipelineResource(home="data", name="acme").read_settings().warehouse_location == "data/acme.duckdb"
    named = PipelineResource(home="data", name="acme", warehouse="other.duckdb")
    assert named.read_settings().warehouse_location == "other.duckdb"


@pytest.mark.parametrize("prefix", ["", "NORTH_"])
def test_what_is_given_counts_instead_of_variables_and_files(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stripe_cio.yaml").write_text("guard: {max_events: 5}\n", encoding="utf-8")
    monkeypatch.setenv(f"{prefix}CUSTOMERIO_REGION", "us")
    monkeypatch.setenv(f"{prefix}STRIPE_API_KEY", KEY)
    given = {"customerio_region": "eu", "smtp_url": "smtp://mail.example.com:587"}
    opened = resource_with({"guard": {"max_events": 7}})(environment_prefix=prefix, settings=given).open()
    assert opened.settings.customerio_region == "eu"
    assert opened.settings.smtp_url is not None
    assert opened.settings.require_stripe() == KEY
    assert opened.policy.guard.max_events == 7


def test_no_key_is_part_of_what_dagster_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    assert KEY not in str(PipelineResource().model_dump())
