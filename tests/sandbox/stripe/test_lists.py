"""Lists: order, pages, cursors, filters, and what is refused."""

from typing import Any

import pytest

PATHS = (
    "customers",
    "subscriptions",
    "invoices",
    "charges",
    "products",
    "prices",
    "events",
    "refunds",
    "disputes",
    "payment_methods",
    "payment_intents",
    "invoice_payments",
    "checkout/sessions",
    "coupons",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_list_is_an_envelope_of_objects_newest_first(lively: Any, path: str) -> None:
    page = lively.get(path, "limit=100")
    assert {"object", "url", "has_more", "data"} == set(page)
    assert (page["object"], page["url"]) == ("list", f"/v1/{path}")
    assert page["data"], f"the seeded account has none of {path}"
    moments = [row["created"] for row in page["data"]]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    ("path", "limit"), [("customers", 1), ("customers", 7), ("customers", 100), ("events", 100), ("invoices", 33)]
)
def test_both_cursors_visit_everything_once_in_opposite_orders(lively: Any, path: str, limit: int) -> None:
    down = [row["id"] for row in lively.walk(path, limit=limit)]
    oldest = down[-1]
    up = [row["id"] for row in lively.walk(path, f"ending_before={oldest}", backwards=True, limit=limit)]
    assert len(down) == len(set(down))
    assert [oldest, *up] == down[::-1]


def test_a_page_before_a_cursor_holds_its_newer_neighbours_newest_first(lively: Any) -> None:
    everybody = lively.ids("customers", "limit=100")
    page = lively.get("customers", f"limit=3&ending_before={everybody[10]}")
    assert [row["id"] for row in page["data"]] == everybody[7:10]
    assert page["has_more"] is True
    assert lively.get("customers", f"limit=10&ending_before={everybody[10]}")["has_more"] is False


def test_there_are_more_only_if_something_is_left_in_that_direction(empty: Any) -> None:
    made = [empty.sandbox.stripe.create_customer()["id"] for _ in range(3)]
    assert empty.get("customers", "limit=3")["has_more"] is False
    assert empty.get("customers", "limit=2")["has_more"] is True
    assert empty.get("customers", f"limit=2&starting_after={made[2]}")["has_more"] is False
    assert empty.get("customers", f"limit=1&ending_before={made[1]}") == {
        "object": "list",
        "url": "/v1/customers",
        "has_more": False,
        "data": [empty.get(f"customers/{made[2]}")],
    }


def test_objects_of_one_second_keep_their_order(empty: Any) -> None:
    made = [empty.sandbox.stripe.create_customer()["id"] for _ in range(25)]
    assert [row["id"] for row in empty.walk("customers", limit=4)] == made[::-1]


def test_who_signs_up_during_a_walk_does_not_disturb_it(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    made = [stripe.create_customer()["id"] for _ in range(4)]
    first = empty.ids("customers", "limit=2")
    stripe.create_customer()
    assert first + empty.ids("customers", f"limit=2&starting_after={first[-1]}") == made[::-1]


def test_ten_is_the_page_size_unless_another_is_asked_for(lively: Any) -> None:
    assert len(lively.get("customers")["data"]) == 10


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("offset=5", "offset"),
        ("updated[gte]=1", "updated"),
        ("created[gte]=1.5", "created[gte]"),
        ("created[since]=1", "created[since]"),
        ("starting_after=cus_none", "starting_after"),
        ("ending_before=cus_none", "ending_before"),
        ("expand[][0]=data.subscriptions", "expand"),
        ("expand[]=data.a.b.c.d", "expand"),
        ("expand[]=data.shoe_size", "expand"),
        ("expand[]=subscriptions", "expand"),
    ],
)
def test_a_bad_request_is_a_400_that_names_the_parameter(lively: Any, query: str, param: str) -> None:
    status, error = lively.refused("customers", query)
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param
    assert error["message"]


def test_an_unknown_parameter_and_an_unknown_cursor_are_told_in_stripes_words(lively: Any) -> None:
    _, unknown = lively.refused("customers", "foo=1")
    assert (unknown["code"], unknown["message"]) == ("parameter_unknown", "Received unknown parameter: foo")
    _, cursor = lively.refused("customers", "starting_after=cus_none")
    assert (cursor["code"], cursor["message"]) == ("resource_missing", "No such customer: 'cus_none'")


def test_two_cursors_exclude_each_other(lively: Any) -> None:
    id_ = lively.ids("customers", "limit=1")[0]
    status, error = lively.refused("customers", f"starting_after={id_}&ending_before={id_}")
    assert status == 400
    assert "only specify one" in error["message"]


def test_created_is_compared_in_whole_seconds(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    made = []
    for _ in range(4):
        made.append(stripe.create_customer())
        clock.advance(seconds=1)
    moments = [customer["created"] for customer in made]
    ids = [customer["id"] for customer in made]
    assert empty.ids("customers", f"created[gte]={moments[1]}&created[lt]={moments[3]}") == [ids[2], ids[1]]
    assert empty.ids("customers", f"created[gt]={moments[1]}&created[lte]={moments[3]}") == [ids[3], ids[2]]
    assert empty.ids("customers", f"created={moments[0]}") == [ids[0]]


def test_payment_methods_have_no_created_filter_and_are_listed_per_customer(lively: Any) -> None:
    owner = next(iter(lively.sandbox.stripe.objects("payment_method").values()))["customer"]
    status, error = lively.refused("payment_methods", "created[gte]=1")
    assert (status, error["param"]) == (400, "created")
    assert all(row["customer"] is None for row in lively.walk("payment_methods"))
    scoped = lively.walk("payment_methods", f"customer={owner}")
    assert {row["customer"] for row in scoped} == {owner}
    assert lively.get(f"customers/{owner}/payment_methods")["data"] == scoped


def test_payment_methods_of_everybody_can_be_switched_on(start: Any) -> None:
    api = start()
    customer = api.sandbox.stripe.create_customer()["id"]
    api.sandbox.stripe.attach_card(customer)
    assert api.ids("payment_methods") == []
    api.sandbox.stripe.switches.unscoped_payment_methods = True
    assert len(api.ids("payment_methods")) == 1


def test_email_is_compared_exactly_and_may_be_shared(empty: Any) -> None:
    first = empty.sandbox.stripe.create_customer(email="customer-1@example.com")["id"]
    second = empty.sandbox.stripe.create_customer(email="customer-1@example.com")["id"]
    empty.sandbox.stripe.create_customer(email="Customer-1@example.com")
    assert empty.ids("customers", "email=customer-1@example.com") == [second, first]


def test_canceled_subscriptions_are_only_listed_when_asked_for(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    customer = stripe.create_customer()["id"]
    kept, gone = (stripe.create_subscription(customer)["id"] for _ in range(2))
    stripe.cancel_subscription(gone)
    assert empty.ids("subscriptions") == [kept]
    assert empty.ids("subscriptions", "status=all") == [gone, kept]
    assert empty.ids("subscriptions", "status=canceled") == [gone]
    assert empty.ids("subscriptions", "status=ended") == [gone]
    assert empty.ids("subscriptions", "status=active") == [kept]
    status, error = empty.refused("subscriptions", "status=gone")
    assert (status, error["param"]) == (400, "status")


@pytest.mark.parametrize(
    ("path", "query", "holds"),
    [
        ("subscriptions", "status=past_due", lambda row: row["status"] == "past_due"),
        (
            "subscriptions",
            "status=all&collection_method=send_invoice",
            lambda row: row["collection_method"] == "send_invoice",
        ),
        ("invoices", "status=open", lambda row: row["status"] == "open"),
        ("invoices", "status=uncollectible", lambda row: row["status"] == "uncollectible"),
        ("invoices", "due_date[gte]=1", lambda row: row["due_date"] is not None),
        ("prices", "active=true&currency=jpy", lambda row: row["currency"] == "jpy"),
        ("prices", "lookup_keys[]=team_month_usd", lambda row: row["lookup_key"] == "team_month_usd"),
        ("invoice_payments", "status=open", lambda row: row["status"] == "open"),
        ("checkout/sessions", "status=complete", lambda row: row["status"] == "complete"),
    ],
)
def test_filters_keep_what_they_say(lively: Any, path: str, query: str, holds: Any) -> None:
    everything = lively.walk(path, "status=all" if path == "subscriptions" else "")
    wanted = [row["id"] for row in everything if holds(row)]
    assert wanted
    assert [row["id"] for row in lively.walk(path, query)] == wanted


def test_objects_are_found_by_what_they_belong_to(lively: Any) -> None:
    invoice = next(row for row in lively.walk("invoices", "status=paid") if row["amount_paid"])
    customer = invoice["customer"]
    subscription = invoice["parent"]["subscription_details"]["subscription"]
    (payment,) = lively.get("invoice_payments", f"invoice={invoice['id']}")["data"]
    intent = payment["payment"]["payment_intent"]
    assert payment["id"] in lively.ids(
        "invoice_payments", f"payment[type]=payment_intent&payment[payment_intent]={intent}"
    )
    assert invoice["id"] in lively.ids("invoices", f"subscription={subscription}&limit=100")
    for path in ("subscriptions", "invoices", "charges", "payment_intents"):
        rows = lively.walk(path, f"customer={customer}" + ("&status=all" if path == "subscriptions" else ""))
        assert rows
        assert {row["customer"] for row in rows} == {customer}
    charge = lively.get("charges", f"payment_intent={intent}")["data"][0]
    assert charge["amount_captured"] == invoice["amount_paid"]


def test_a_deleted_customer_is_gone_from_lists_and_remains_by_id(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    kept, gone = (stripe.create_customer()["id"] for _ in range(2))
    stripe.create_subscription(gone)
    stripe.delete_customer(gone)
    assert empty.ids("customers") == [kept]
    assert empty.get(f"customers/{gone}") == {"id": gone, "object": "customer", "deleted": True}
    assert [row["status"] for row in empty.get("subscriptions", "status=all")["data"]] == ["canceled"]
    status, error = empty.refused("customers", f"starting_after={gone}")
    assert (status, error["param"]) == (400, "starting_after")
    stripe.switches.deleted_cursor_fails = False
    assert empty.ids("customers", f"starting_after={gone}") == [kept]


def test_an_id_that_never_existed_is_a_404(empty: Any) -> None:
    status, error = empty.refused("customers/cus_none")
    assert status == 404
    assert (error["code"], error["param"], error["message"]) == (
        "resource_missing",
        "id",
        "No such customer: 'cus_none'",
    )


def test_an_address_that_does_not_exist_is_a_404(empty: Any) -> None:
    status, error = empty.refused("shoes")
    assert status == 404
    assert "Unrecognized request URL (GET: /v1/shoes)" in error["message"]


def test_what_is_on_a_test_clock_is_hidden_from_lists_and_found_by_its_clock(lively: Any) -> None:
    clock = lively.ids("test_helpers/test_clocks")[0]
    on_it = lively.ids("customers", f"test_clock={clock}")
    assert len(on_it) == 2
    assert not set(on_it) & {row["id"] for row in lively.walk("customers")}
    assert lively.get(f"customers/{on_it[0]}")["test_clock"] == clock
    for path in ("subscriptions", "invoices", "charges"):
        hidden = lively.ids(path, f"customer={on_it[0]}")
        assert hidden
        assert not set(hidden) & {row["id"] for row in lively.walk(path)}


def test_objects_without_created_are_listed_last_and_never_match_a_created_filter(empty: Any) -> None:
    empty.sandbox.stripe.load([{"id": "prod_old", "object": "product", "name": "Legacy", "active": True}])
    new = empty.sandbox.stripe.create_product("New")["id"]
    assert empty.ids("products") == [new, "prod_old"]
    assert empty.ids("products", "created[gte]=1") == [new]


def test_the_account_tells_who_it_is(empty: Any) -> None:
    account = empty.get("account")
    assert account["id"] == empty.sandbox.stripe.switches.account_id
    assert empty.get(f"accounts/{account['id']}") == account
    assert empty.get("accounts")["data"] == [account]
    assert account["settings"]["dashboard"]["display_name"]


def test_customers_can_be_searched(lively: Any) -> None:
    wanted = next(row for row in lively.walk("customers") if row["email"] and row["metadata"])
    found = lively.get("customers/search", f"query=email:'{wanted['email'].replace('+', '%2B')}'&limit=100")
    assert (found["object"], found["has_more"]) == ("search_result", False)
    assert wanted["id"] in [row["id"] for row in found["data"]]
    user = wanted["metadata"]["user_id"]
    by_key = lively.get("customers/search", f"query=metadata['user_id']:'{user}' AND created>0")
    assert [row["id"] for row in by_key["data"]] == [wanted["id"]]
    first = lively.get("customers/search", "query=created>0&limit=100")
    second = lively.get("customers/search", f"query=created>0&limit=100&page={first['next_page']}")
    assert len(first["data"]) + len(second["data"]) == 120
    assert lively.refused("customers/search", "query=email:'a' AND name:'b' OR name:'c'")[0] == 400


def test_every_answer_names_the_request_the_version_and_stripes_time(lively: Any) -> None:
    answer = lively.ask("customers")
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["stripe-version"] == "2026-10-28.endive"
    assert answer.headers["date"] == "Mon, 21 Sep 2026 14:13:20 GMT"
    refusal = lively.ask("customers", "limit=0", **{"Stripe-Version": "2025-08-27.basil"})
    assert refusal.headers["stripe-version"] == "2025-08-27.basil"
    assert refusal.headers["request-id"] in refusal.json()["error"]["request_log_url"]
