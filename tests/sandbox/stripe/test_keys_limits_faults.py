"""Keys and permissions, limiters, and answers that go wrong."""

from typing import Any

import httpx
import orjson
import pytest

from stripe_cio_pipeline.sandbox import Fault, StripeSwitches

PERMISSIONS = {
    "customers": "rak_customer_read",
    "subscriptions": "rak_subscription_read",
    "invoices": "rak_invoice_read",
    "charges": "rak_charge_read",
    "events": "rak_event_read",
    "products": "rak_product_read",
    "prices": "rak_plan_read",
    "payment_methods": "rak_payment_method_read",
    "coupons": "rak_coupon_read",
    "checkout/sessions": "rak_checkout_session_read",
    "disputes": "rak_dispute_read",
    "account": "rak_accounts_kyc_basic_read",
}


def with_key(api: Any, key: str) -> httpx.Response:
    return api.ask("customers", Authorization=f"Bearer {key}")  # type: ignore[no-any-return]


def test_restricted_and_secret_keys_may_read_by_bearer_and_by_basic(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    for key in (stripe.restricted_key, stripe.secret_key):
        assert with_key(empty, key).status_code == 200
        assert httpx.get(f"{empty.sandbox.stripe_url}/v1/customers", auth=(key, ""), trust_env=False).is_success
    assert stripe.restricted_key.startswith("rk_test_")
    assert stripe.secret_key.startswith("sk_test_")


def test_other_keys_are_refused_without_being_repeated(empty: Any) -> None:
    wrong = with_key(empty, "sk_test_" + "x" * 20)
    assert wrong.status_code == 401
    assert wrong.json()["error"]["message"] == "Invalid API Key provided: sk_test_****xxxx"
    assert httpx.get(f"{empty.sandbox.stripe_url}/v1/customers", trust_env=False).status_code == 401
    assert with_key(empty, "pk_test_" + "x" * 20).json()["error"]["code"] == "secret_key_required"
    empty.sandbox.stripe.switches.expired_keys.add(empty.sandbox.stripe.restricted_key)
    assert with_key(empty, empty.sandbox.stripe.restricted_key).json()["error"]["code"] == "api_key_expired"


@pytest.mark.parametrize(("path", "permission"), PERMISSIONS.items())
def test_a_missing_permission_is_a_403_that_names_it(start: Any, path: str, permission: str) -> None:
    api = start()
    stripe = api.sandbox.stripe
    stripe.switches.permissions.discard(permission)
    status, error = api.refused(path)
    assert status == 403
    assert f"('{permission.removeprefix('rak_')}')" in error["message"]
    assert stripe.restricted_key not in error["message"]
    stripe.switches.new_permission_wording = False
    assert f"Having the '{permission}' permission would allow" in api.refused(path)[1]["message"]
    assert api.ask(path, Authorization=f"Bearer {stripe.secret_key}").status_code == 200
    stripe.switches.permissions.add(permission)
    assert api.ask(path).status_code == 200


def test_a_read_only_key_cannot_write(empty: Any) -> None:
    answer = empty.http.post("/v1/customers")
    assert answer.status_code == 403
    assert "customer_write" in answer.json()["error"]["message"]


def test_another_account_is_refused(empty: Any) -> None:
    assert empty.refused("customers", **{"Stripe-Account": "acct_other"})[1]["code"] == "account_invalid"
    assert empty.get("customers", **{"Stripe-Account": empty.sandbox.stripe.switches.account_id})["data"] == []


def test_livemode_is_on_the_keys_and_on_every_object(start: Any) -> None:
    api = start(switches=StripeSwitches(livemode=True, late_events_share=0.0), customers=5)
    assert api.sandbox.stripe.restricted_key.startswith("rk_live_")
    for path in ("customers", "subscriptions", "invoices", "charges", "prices", "events"):
        assert {row["livemode"] for row in api.walk(path)} == {True}


def statuses(api: Any, path: str, count: int) -> list[int]:
    return [api.ask(path).status_code for _ in range(count)]


def test_each_endpoint_has_its_own_limit_and_ids_do_not_count_apart(start: Any) -> None:
    switches = StripeSwitches(limits=True, endpoint_per_second=2.0, account_per_second=1_000.0)
    api = start(switches=switches)
    made = [api.sandbox.stripe.create_customer()["id"] for _ in range(20)]
    answers = [api.ask("customers") for _ in range(20)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert {answer.headers["stripe-rate-limited-reason"] for answer in limited} == {"endpoint-rate"}
    assert "retry-after" not in limited[0].headers
    assert limited[0].json()["error"]["code"] == "rate_limit"
    assert limited[0].json()["error"]["type"] == "invalid_request_error"
    assert api.ask("invoices").status_code == 200
    by_id = [api.ask(f"customers/{id_}").status_code for id_ in made]
    assert by_id[:2] == [200, 200]
    assert 429 in by_id


def test_the_account_has_a_limit_over_all_endpoints_and_a_sandbox_account_a_lower_one(start: Any) -> None:
    for switches in (
        StripeSwitches(limits=True, endpoint_per_second=1_000.0, account_per_second=3.0),
        StripeSwitches(limits=True, endpoint_per_second=1_000.0, account_per_second=1e6, sandbox_account=True),
    ):
        api = start(switches=switches)
        answers = [api.ask(path) for _ in range(30) for path in ("customers", "invoices", "charges", "prices")]
        reasons = {answer.headers.get("stripe-rate-limited-reason") for answer in answers}
        assert reasons == {None, "global-rate"}


def test_search_shares_one_lower_limit(start: Any) -> None:
    api = start(switches=StripeSwitches(limits=True, search_per_second=1.0, account_per_second=1e6))
    answers = [api.ask("customers/search", "query=created>0") for _ in range(5)]
    assert [answer.status_code for answer in answers].count(429) >= 3


def test_gets_are_counted_for_the_read_allocation(empty: Any) -> None:
    counters = empty.sandbox.stripe.counters
    empty.ask("customers")
    empty.ask("customers/cus_none")
    empty.ask("customers", "limit=0")
    assert counters.gets == counters.requests == 3
    assert counters["GET /v1/customers"] == 2
    assert counters["GET /v1/customers 400"] == 1
    assert counters["GET /v1/customers/{id} 404"] == 1


def test_errors_by_request_number_and_by_count(empty: Any) -> None:
    faults = empty.sandbox.stripe.faults
    faults.at(2, Fault.error(503))
    faults.at(4, Fault.error(500, should_retry=False))
    assert statuses(empty, "customers", 5) == [200, 503, 200, 500, 200]
    faults.next(Fault.error(500, should_retry=True), count=2)
    first = empty.ask("customers")
    assert first.headers["stripe-should-retry"] == "true"
    assert first.json()["error"]["type"] == "api_error"
    assert statuses(empty, "customers", 2) == [500, 200]


def test_errors_by_rate_are_the_same_for_a_seed(start: Any) -> None:
    seen = []
    for _ in range(2):
        api = start()
        api.sandbox.stripe.faults.rate(0.3, Fault.error(500), path="/v1/customers")
        seen.append(statuses(api, "customers", 30))
        assert set(statuses(api, "invoices", 10)) == {200}
        api.sandbox.stripe.faults.clear()
        assert set(statuses(api, "customers", 10)) == {200}
    assert seen[0] == seen[1]
    assert {200, 500} == set(seen[0])


def test_a_limiters_429_names_its_reason_and_a_lock_timeout_does_not(empty: Any) -> None:
    faults = empty.sandbox.stripe.faults
    faults.next(Fault.rate_limited("resource-specific"))
    assert empty.ask("customers").headers["stripe-rate-limited-reason"] == "resource-specific"
    faults.next(Fault.lock_timeout())
    locked = empty.ask("customers")
    assert (locked.status_code, locked.json()["error"]["code"]) == (429, "lock_timeout")
    assert "stripe-rate-limited-reason" not in locked.headers
    assert locked.headers["stripe-should-retry"] == "true"


@pytest.mark.parametrize("fault", [Fault.reset_before(), Fault.reset_after(), Fault.reset_mid_body()])
def test_connections_break(lively: Any, fault: Fault) -> None:
    lively.sandbox.stripe.faults.next(fault)
    with pytest.raises(httpx.TransportError):
        lively.ask("customers", "limit=100")
    assert lively.ask("customers").status_code == 200


def test_a_reset_in_the_middle_comes_after_half_a_body(lively: Any) -> None:
    whole = len(lively.ask("customers", "limit=100").content)
    lively.sandbox.stripe.faults.next(Fault.reset_mid_body())
    received = b""
    with (
        pytest.raises(httpx.TransportError),
        lively.http.stream("GET", "/v1/customers?limit=100") as answer,
    ):
        assert answer.status_code == 200
        for chunk in answer.iter_bytes():
            received += chunk
    assert 0 < len(received) < whole


def test_a_body_can_be_cut_although_all_is_well(lively: Any) -> None:
    lively.sandbox.stripe.faults.next(Fault.truncated())
    answer = lively.ask("customers", "limit=100")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.content)


def test_a_body_can_be_something_else_although_all_is_well(lively: Any) -> None:
    lively.sandbox.stripe.faults.next(Fault.not_a_list())
    answer = lively.ask("customers")
    assert answer.status_code == 200
    assert "data" not in answer.json()


def test_answers_can_be_slow_one_by_one_or_all(empty: Any) -> None:
    empty.sandbox.stripe.faults.next(Fault.slow(5.0))
    with pytest.raises(httpx.ReadTimeout):
        empty.http.get("/v1/customers", timeout=0.1)
    assert empty.http.get("/v1/customers", timeout=5).status_code == 200
    empty.sandbox.stripe.switches.latency_seconds = 5.0
    with pytest.raises(httpx.ReadTimeout):
        empty.http.get("/v1/customers", timeout=0.1)


def test_too_many_requests_at_once_meet_the_concurrency_limiter(start: Any) -> None:
    api = start(switches=StripeSwitches(concurrent_requests=1))
    api.sandbox.stripe.faults.next(Fault.slow(5.0))
    with pytest.raises(httpx.ReadTimeout):
        api.http.get("/v1/customers", timeout=0.1)
    answer = api.ask("customers")
    assert answer.status_code == 429
    assert answer.headers["stripe-rate-limited-reason"] == "global-concurrency"
