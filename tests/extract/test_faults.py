import socket
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import StripeCredentialsError, StripeUnavailable
from stripe_cio_pipeline.extract import OBJECTS, Patience
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.extract.stage import Stage

#: Together every kind of fault that the sandbox's Stripe side knows and that passes.
FAULTS = {
    "errors": [
        Fault.error(500),
        Fault.error(500, should_retry=False),
        Fault.error(502),
        Fault.error(503, should_retry=True),
        Fault.error(409),
    ],
    "limiters": [
        Fault.lock_timeout(),
        Fault.rate_limited("endpoint-rate"),
        Fault.rate_limited("endpoint-concurrency"),
        Fault.rate_limited("global-rate"),
        Fault.rate_limited("global-concurrency"),
        Fault.rate_limited("resource-specific"),
    ],
    "broken connections": [Fault.reset_before(), Fault.reset_after(), Fault.reset_mid_body()],
    "answers that lie": [Fault.truncated(), Fault.not_a_list(), Fault.slow(0.05)],
}


def contents(stage: Stage) -> dict[str, list[tuple[object, ...]]]:
    return {
        kind.name: stage.rows(f"select id, payload, deleted, customer_id from stripe.{kind.name} order by id")
        for kind in OBJECTS
    }


@pytest.mark.parametrize("name", FAULTS)
def test_faults_in_every_twentieth_answer_change_nothing(tmp_path: Path, name: str) -> None:
    stage = Stage(tmp_path, customers=12)
    disturbed, calm = stage.warehouse, Warehouse(tmp_path / "calm.duckdb")
    with stage.sandbox:
        for _ in range(2):
            stage.warehouse = calm
            stage.extract()
            stage.warehouse = disturbed
            faults = stage.stripe.faults
            first = faults.request_number + 1
            for place, fault in enumerate(FAULTS[name]):
                faults.rate(0.05, fault)
                # By chance 5 % of so few requests may be none.
                faults.at(first + place, fault)
            stage.extract()
            faults.clear()
            assert contents(stage) == _of(stage, calm, disturbed)
            stage.pass_time(days=3)
            stage.settle()


def _of(stage: Stage, other: Warehouse, back: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    stage.warehouse = other
    try:
        return contents(stage)
    finally:
        stage.warehouse = back


def test_a_permanent_fault_fails_loudly_keeps_what_is_done_and_finishes_nothing(stage: Stage) -> None:
    stage.stripe.faults.rate(1.0, Fault.error(503), path="/v1/invoices")
    with pytest.raises(StripeUnavailable, match="GET /v1/invoices") as raised:
        stage.extract(patience=Patience(attempts=3, wait_initial=0.001, wait_max=0.01))
    assert "503" in str(raised.value)
    assert len(stage.stored("customers")) == 25
    [(mark,)] = stage.rows("select count(*) from pipeline.cursors where name = 'history.invoices'")
    assert mark == 0
    stage.stripe.faults.clear()
    stage.extract()
    stage.assert_in_step()


def test_several_failures_are_told_together(stage: Stage) -> None:
    for path in ("/v1/invoices", "/v1/charges"):
        stage.stripe.faults.rate(1.0, Fault.error(503), path=path)
    with pytest.raises(StripeUnavailable, match=r"2 object types.*invoices.*charges"):
        stage.extract(patience=Patience(attempts=2, wait_initial=0.001, wait_max=0.01))


def test_a_page_that_is_always_cut_is_asked_for_with_fewer_rows(stage: Stage) -> None:
    stage.stripe.faults.rate(1.0, Fault.truncated(), path="/v1/customers", requests=3)
    stage.extract(objects=["customers"])
    assert len(stage.stored("customers")) == 25


def test_a_refused_key_stops_everything_and_is_never_shown(stage: Stage) -> None:
    stage.extract()
    stage.stripe.faults.rate(1.0, Fault.error(401))
    with pytest.raises(StripeCredentialsError, match="STRIPE_API_KEY") as raised:
        stage.extract()
    assert stage.settings.require_stripe() not in str(raised.value)


def test_an_unreachable_host_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        # Bound and never listening: nobody else can answer there.
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(stripe_api_key=stage.settings.stripe_api_key, stripe_api_base=address)
        monkeypatch.setattr(Stage, "settings", property(lambda _: settings))
        with pytest.raises(StripeUnavailable, match=r"127\.0\.0\.1"):
            stage.extract(patience=Patience(attempts=2, wait_initial=0.001, wait_max=0.01))
