"""Settings say what is missing and what to do, and never show what they hold."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.settings import STRIPE_PERMISSIONS, load_settings

SECRET = "rk_test_0123456789"


def test_everything_loads_without_any_setting() -> None:
    assert load_settings().warehouse_location == str(Path(".stripe_cio") / "warehouse.duckdb")


def test_a_missing_stripe_key_names_the_permissions_that_it_needs() -> None:
    with pytest.raises(SettingsError) as missing:
        load_settings().require_stripe()
    assert "STRIPE_API_KEY is not set" in str(missing.value)
    assert all(permission in str(missing.value) for permission in STRIPE_PERMISSIONS)
    assert missing.value.exit_code == 2


@pytest.mark.parametrize("key", ["pk_test_0123456789", "0123456789", "whsec_0123456789"])
def test_a_malformed_stripe_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", key)
    with pytest.raises(SettingsError, match="does not look like") as malformed:
        load_settings().require_stripe()
    assert "0123456789" not in str(malformed.value)


def test_spaces_around_a_key_are_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", f" {SECRET}\n")
    assert load_settings().require_stripe() == SECRET


@pytest.mark.parametrize("missing", [{"CUSTOMERIO_SITE_ID"}, {"CUSTOMERIO_TRACK_API_KEY"}])
def test_half_a_pair_of_credentials_names_the_other_half(monkeypatch: pytest.MonkeyPatch, missing: set[str]) -> None:
    for name in {"CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY"} - missing:
        monkeypatch.setenv(name, SECRET)
    with pytest.raises(SettingsError, match=f"^{next(iter(missing))} is not set") as told:
        load_settings().require_customerio()
    assert SECRET not in str(told.value)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_BASE", "")
    monkeypatch.setenv("STRIPE_API_KEY", "")
    assert load_settings().stripe_api_base == "https://api.stripe.com"
    with pytest.raises(SettingsError, match="not set"):
        load_settings().require_stripe()


@pytest.mark.parametrize(
    ("name", "value"),
    [("STRIPE_API_BASE", "api.stripe.com"), ("CUSTOMERIO_TRACK_URL", "ftp://x"), ("CUSTOMERIO_REGION", "asia")],
)
def test_a_malformed_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_a_setting_that_is_one_of_a_few_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_REGION", "asia")
    with pytest.raises(SettingsError, match=r"CUSTOMERIO_REGION: must be us or eu\."):
        load_settings()


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STRIPE_ACCOUNT=acct_file\nCUSTOMERIO_REGION=EU\nSTRIPE_CIO_HOME=kept\nOTHER=1\n")
    monkeypatch.setenv("STRIPE_ACCOUNT", "acct_shell")
    settings = load_settings()
    assert (settings.stripe_account, settings.customerio_region) == ("acct_shell", "eu")
    assert settings.warehouse_location == str(Path("kept") / "warehouse.duckdb")


def test_a_key_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRIPE_API_KEY", "CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY", "CUSTOMERIO_APP_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    settings = load_settings()
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_slash_at_the_end_of_an_address_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_TRACK_URL", "http://127.0.0.1:1/")
    assert load_settings().customerio_track_url == "http://127.0.0.1:1"


@pytest.mark.parametrize("name", ["STRIPE_CIO_ALERT_WEBHOOK", "STRIPE_CIO_SMTP_URL", "STRIPE_API_BASE"])
@pytest.mark.parametrize(
    "value",
    [
        "notaurl",
        "http://hooks.example:port/x",
        "ftp://hooks.example/x",
        "https://",
        "smtp://",
        "smtp://u:secret@:25",
        "a b",
    ],
)
def test_an_address_that_is_none_names_its_variable_and_is_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name.removeprefix("STRIPE_CIO_")) as refused:
        load_settings()

    assert not {value, "secret", "port/x"} & set(str(refused.value).split())


def test_addresses_of_alerts_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_CIO_ALERT_WEBHOOK", "https://hooks.example.com/services/T0/B0")
    monkeypatch.setenv("STRIPE_CIO_SMTP_URL", "smtps://user:pass%40word@mail.example.com:465")

    assert load_settings().smtp_url is not None


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value", ["secret:x", "http://secret:99999", "http://[secret", "socks5://secret:1080", "http://"]
)
def test_a_proxy_that_is_none_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name} is not the address of a proxy") as refused:
        load_settings()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("value", ["proxy.example.com", "proxy.example.com:3128", "http://user:password@[::1]:3128/"])
def test_a_proxy_by_any_usual_name_is_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    load_settings()
