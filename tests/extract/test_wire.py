import httpx
import pytest

from stripe_cio_pipeline.extract.wire import proxy_for

STRIPE = httpx.URL("https://api.stripe.com/v1/customers")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_proxy_stripe_is_reached_directly() -> None:
    assert proxy_for(STRIPE) is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["http://proxy.example.com:3128", "proxy.example.com:3128"])
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert proxy_for(STRIPE) == "http://proxy.example.com:3128"


def test_an_address_that_is_excepted_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "stripe.com")
    assert proxy_for(STRIPE) is None
