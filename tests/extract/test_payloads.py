import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.extract import OBJECTS, PINNED_VERSION
from stripe_cio_pipeline.extract.objects import BY_NAME
from stripe_cio_pipeline.extract.payloads import (
    Verdict,
    canonical,
    content_hash,
    graft,
    judge_version,
    may_hold_secrets,
    missing_fields,
    scrub,
)


def test_the_pinned_version_is_the_sdks() -> None:
    import stripe

    assert stripe.api_version == PINNED_VERSION


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        (PINNED_VERSION, Verdict.PINNED),
        ("2026-09-30.endive", Verdict.OLDER),
        ("2025-03-31.basil", Verdict.OLDER),
        ("2020-08-27", Verdict.OLDER),
        ("2026-11-25.endive", Verdict.NEWER),
        ("2027-03-31.fern", Verdict.NEWER),
        ("2026-01-01.preview_fern", Verdict.UNKNOWN),
        ("yesterday", Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN),
    ],
)
def test_versions_are_told_apart(version: str | None, verdict: Verdict) -> None:
    assert judge_version(version) is verdict


secrets = st.sampled_from(["client_secret", "confirmation_secret", "secret", "ephemeral_key"])
payloads = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(secrets, st.text(max_size=5)), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(payloads)
def test_no_secret_survives_at_any_depth(payload: object) -> None:
    raw = orjson.dumps(payload)
    scrubbed = scrub(orjson.loads(raw)) if may_hold_secrets(raw) else orjson.loads(raw)
    text = canonical(scrubbed)
    assert not any(f'"{key}":'.encode() in text for key in ("client_secret", "confirmation_secret", "secret"))


def test_the_address_of_a_portal_session_is_a_secret() -> None:
    session = {"object": "billing_portal.session", "url": "https://billing.example.com/p/session/live"}
    assert scrub({"data": {"object": session}}) == {"data": {"object": {"object": "billing_portal.session"}}}


def test_equal_content_has_one_hash_whatever_its_order() -> None:
    assert content_hash(canonical({"a": 1, "b": 2})) == content_hash(canonical({"b": 2, "a": 1}))


CUSTOMERS, SUBSCRIPTIONS, PRICES = BY_NAME["customers"], BY_NAME["subscriptions"], BY_NAME["prices"]
CARD = {"id": "pm_1", "card": {"last4": "4242"}}


def customer(card: object) -> dict[str, object]:
    return {
        "id": "cus_1",
        "invoice_settings": {"default_payment_method": card},
        "default_source": None,
        "discount": None,
    }


def subscription(discounts: list[object], items: dict[str, object]) -> dict[str, object]:
    return {"discounts": discounts, "items": items, "default_payment_method": None, "default_source": None}


def test_an_event_gets_the_expanded_card_that_is_known() -> None:
    snapshot = customer("pm_1")
    assert graft(CUSTOMERS, snapshot, customer(CARD))
    assert snapshot == customer(CARD)


@pytest.mark.parametrize("stored", [None, customer(None), customer({**CARD, "id": "pm_2"})])
def test_an_event_with_another_card_is_read_again(stored: dict[str, object] | None) -> None:
    assert not graft(CUSTOMERS, customer("pm_1"), stored)


def test_an_event_without_a_card_needs_no_read() -> None:
    assert graft(CUSTOMERS, customer(None), customer(CARD))


def test_discounts_are_grafted_by_id_at_both_depths() -> None:
    known = {"id": "di_1", "source": {"coupon": "WELCOME"}}
    stored = subscription([known], {"data": [{"id": "si_1", "discounts": [known]}]})
    snapshot = subscription(["di_1"], {"data": [{"id": "si_1", "discounts": ["di_1"]}]})
    assert graft(SUBSCRIPTIONS, snapshot, stored)
    assert snapshot == stored
    assert not graft(SUBSCRIPTIONS, subscription(["di_2"], {"data": []}), stored)


def test_a_list_that_stripe_cut_is_read_again() -> None:
    snapshot = subscription([], {"data": [], "has_more": True})
    assert not graft(SUBSCRIPTIONS, snapshot, subscription([], {"data": []}))


def test_what_an_event_leaves_out_altogether_is_read_again() -> None:
    """A price can be given further currencies, and no event shows them."""
    assert not graft(PRICES, {"id": "price_1"}, {"id": "price_1", "tiers": None, "currency_options": {}})


def test_a_discount_of_a_customer_is_known_by_its_own_id_and_not_by_its_coupons() -> None:
    def discounted(discount: str, coupon: object) -> dict[str, object]:
        return {**customer(None), "discount": {"id": discount, "source": {"coupon": coupon}}}

    stored = discounted("di_1", {"id": "WELCOME", "created": 1})
    same = discounted("di_1", "WELCOME")
    assert graft(CUSTOMERS, same, stored)
    assert same == stored
    assert not graft(CUSTOMERS, discounted("di_2", "WELCOME"), stored)


def test_null_is_not_missing() -> None:
    complete = dict.fromkeys(CUSTOMERS.required)
    assert missing_fields(CUSTOMERS, complete) == ()
    del complete["email"]
    assert missing_fields(CUSTOMERS, complete) == ("email",)


def test_expands_stay_within_stripes_depth() -> None:
    assert all(len(f"data.{path}".split(".")) <= 4 for kind in OBJECTS for path in kind.expands)
