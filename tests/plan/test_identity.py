"""Who is linked, updated, held and removed: one decision a person, and why."""

import pytest


def test_a_new_customer_is_linked_by_email_and_gets_its_id(desk) -> None:
    desk.customer("cus_a", email=" Customer-1@Example.com ", mrr=9.5)
    assert desk.plan() == ["cus_a linked_by_email"]
    operation = desk.row("cus_a")["operation"]
    assert operation["identifiers"] == {"email": "Customer-1@Example.com"}
    assert operation["attributes"] == {
        "id": "cus_a", "email": "Customer-1@Example.com", "name": "cus_a", "mrr": 9.5,
    }  # fmt: skip


def test_nothing_is_planned_twice(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", plans=["pro", "seats"], mrr=49)
    desk.sync()
    assert desk.plan() == []
    assert desk.plan(full=True) == []
    assert desk.last.counts.keep == desk.last.counts.people == 1


def test_only_changed_attributes_are_sent_and_null_removes(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", name="One", plans=["pro"], mrr=49)
    desk.sync()
    desk.customer("cus_a", name=None, mrr=59)
    assert desk.plan() == ["cus_a attributes_changed"]
    row = desk.row("cus_a")
    assert row["operation"] == {
        "type": "person",
        "identifiers": {"id": "cus_a"},
        "action": "identify",
        "attributes": {"name": None, "mrr": 59.0, "_update": True},
    }
    assert (row["before"], row["after"]) == ({"name": "One", "mrr": 49.0}, {"name": None, "mrr": 59.0})
    assert desk.last.by_attribute == {"name": 1, "mrr": 1}


def test_nothing_is_addressed_by_id_before_the_link_has_settled(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", mrr=49)
    desk.plan()
    desk.accept()
    desk.customer("cus_a", mrr=59)
    desk.wait(29)
    assert desk.plan() == []
    assert desk.last.counts.waiting == 1
    desk.wait(2)
    assert desk.plan() == ["cus_a attributes_changed"]


def test_two_customers_with_one_email_are_one_person(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="CUSTOMER-1@example.com ", status="active")
    assert desk.plan() == ["cus_b linked_by_email"]


def test_the_owner_stays_the_owner_while_it_lives(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", paid_at=10)
    desk.customer("cus_b", email="customer-1@example.com")
    assert desk.sync() == ["cus_a linked_by_email"]
    desk.customer("cus_b", status="active", paid_at=99)
    assert desk.sync() == []


def test_a_different_spelling_of_the_email_is_no_change(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", email=" CUSTOMER-1@example.com")
    assert desk.plan() == []


def test_a_change_of_email_travels_alone_and_the_rest_follows(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", mrr=1)
    desk.sync()
    desk.customer("cus_a", email="customer-2@example.com", mrr=2)
    assert desk.sync() == ["cus_a email_changed"]
    assert desk.sync() == ["cus_a attributes_changed"]
    assert desk.sync() == []


def test_a_change_of_email_uses_the_internal_id_where_it_is_known(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.change_ledger("cus_a", cio_id="a300")
    desk.customer("cus_a", email="customer-2@example.com")
    desk.plan()
    assert desk.row("cus_a")["operation"]["identifiers"] == {"cio_id": "a300"}


def test_an_email_that_a_person_gives_up_is_free_once_that_has_settled(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", email="customer-2@example.com")
    assert desk.plan() == ["cus_a email_changed", "cus_b email_in_use"]
    desk.accept()
    assert desk.plan() == []
    assert desk.last.by_reason == {"email_settling": 1}
    desk.wait()
    assert desk.plan() == ["cus_b linked_by_email"]


def test_a_swap_of_emails_takes_its_steps_one_after_the_other(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.sync()
    desk.customer("cus_a", email="customer-2@example.com")
    desk.customer("cus_b", email="customer-1@example.com")
    assert desk.sync() == ["cus_a email_swap", "cus_b email_in_use"]
    assert desk.sync() == ["cus_a email_in_use", "cus_b email_changed"]
    assert desk.sync() == ["cus_a email_added"]
    assert desk.sync() == []


def test_emails_that_go_round_among_three_people_still_arrive(desk) -> None:
    for name, email in (("cus_a", 1), ("cus_b", 2), ("cus_c", 3)):
        desk.customer(name, email=f"customer-{email}@example.com")
    desk.sync()
    for name, email in (("cus_a", 2), ("cus_b", 3), ("cus_c", 1)):
        desk.customer(name, email=f"customer-{email}@example.com")
    for _ in range(4):
        desk.sync()
    assert desk.sync() == []
    assert [desk.ledger(name)["email"][9] for name in ("cus_a", "cus_b", "cus_c")] == ["2", "3", "1"]


def test_the_next_owner_takes_over_the_profile_of_a_deleted_one(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-1@example.com")
    desk.sync()
    desk.change_ledger("cus_a", cio_id="a300")
    desk.customer("cus_a", deleted=True)
    assert desk.plan() == ["cus_b owner_replaced"]
    assert desk.row("cus_b")["operation"]["identifiers"] == {"cio_id": "a300"}
    assert desk.row("cus_b")["after"] == {"id": "cus_b"}
    desk.accept()
    desk.wait()
    assert desk.sync() == ["cus_b attributes_changed"]
    assert desk.ledger("cus_b")["id"] == "cus_b"


def test_without_the_internal_id_the_next_owner_lives_on_under_the_former_id(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", deleted=True)
    assert desk.plan() == ["cus_b attributes_changed"]
    assert desk.row("cus_b")["operation"]["identifiers"] == {"id": "cus_a"}
    desk.accept()
    assert desk.plan() == ["cus_b id_needs_cio_id"]


@pytest.mark.parametrize(
    ("policy", "planned"),
    [
        ("keep", "cus_a deleted_in_stripe"),
        ("delete", "cus_a deleted_in_stripe"),
        ("suppress", "cus_a deleted_in_stripe"),
    ],
)
def test_policy_says_what_happens_to_the_person_of_a_deleted_customer(desk, policy: str, planned: str) -> None:
    desk.set_policy(identity={"on_delete": policy})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", deleted=True)
    assert desk.plan() == [planned]
    row = desk.row("cus_a")
    assert row["action"] == {"keep": "update"}.get(policy, policy)
    if policy != "keep":
        assert row["operation"] == {"type": "person", "identifiers": {"id": "cus_a"}, "action": policy}
    desk.accept()
    assert desk.sync() == []


def test_a_customer_deleted_before_anything_was_sent_is_never_sent(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", deleted=True)
    assert desk.plan() == []
    assert desk.last.counts.keep == 1


@pytest.mark.parametrize("state", ["deleted", "suppressed"])
def test_a_person_that_was_removed_is_not_created_again(desk, state: str) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.change_ledger("cus_a", state=state, attributes=None, email=None)
    desk.customer("cus_a", name="changed")
    assert desk.plan() == []
    assert desk.last.counts.keep == 1


def test_a_customer_without_email_is_identified_by_id_alone(desk) -> None:
    desk.customer("cus_a", email="not an address")
    assert desk.plan() == ["cus_a identified_without_email"]
    assert desk.row("cus_a")["operation"]["identifiers"] == {"id": "cus_a"}


def test_a_customer_without_email_is_held_where_policy_skips_it(desk) -> None:
    desk.set_policy(identity={"without_email": "skip"})
    desk.customer("cus_a")
    assert desk.plan() == ["cus_a no_email"]
    assert desk.plan() == ["cus_a no_email"]
    desk.customer("cus_a", email="customer-1@example.com")
    assert desk.plan() == ["cus_a linked_by_email"]


def test_an_email_that_is_added_or_removed_later_is_sent(desk) -> None:
    desk.customer("cus_a")
    desk.sync()
    desk.customer("cus_a", email="customer-1@example.com")
    assert desk.sync() == ["cus_a email_added"]
    desk.customer("cus_a", email=None)
    assert desk.sync() == ["cus_a email_removed"]
    assert desk.sync() == []


def test_a_person_whose_email_leads_to_another_linked_person_is_held(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.sync()
    desk.customer("cus_b", email="customer-1@example.com")
    assert desk.plan() == ["cus_b joined_another_person"]
    assert "cus_a" in desk.row("cus_b")["explanation"]
    desk.customer("cus_b", email="customer-2@example.com", name="back")
    assert desk.plan() == ["cus_b attributes_changed"]


def test_a_person_whose_email_leads_to_another_linked_person_is_merged_where_policy_allows(desk) -> None:
    desk.set_policy(identity={"merge": True})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.sync()
    desk.customer("cus_b", email="customer-1@example.com")
    assert desk.plan() == ["cus_b joined_another_person"]
    assert desk.row("cus_b")["operation"] == {
        "type": "person", "action": "merge", "primary": {"id": "cus_a"}, "secondary": {"id": "cus_b"},
    }  # fmt: skip
    desk.accept()
    assert desk.sync() == []


def test_an_email_that_another_person_in_customerio_has_is_held_and_the_rest_goes_on(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", email="lead-1@example.com", mrr=5)
    desk.plan()
    desk.accept()
    desk.change_ledger("cus_a", state="conflict", reason="email_taken")
    assert desk.sync() == ["cus_a attributes_changed"]
    assert desk.sync() == ["cus_a email_taken"]
    desk.customer("cus_a", email="customer-1@example.com")
    assert desk.sync() == ["cus_a email_changed"]
    assert desk.sync() == []


def test_a_lead_that_has_the_new_email_is_merged_where_policy_allows(desk) -> None:
    desk.set_policy(identity={"merge": True})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", email="lead-1@example.com")
    desk.sync()
    desk.change_ledger("cus_a", state="conflict", reason="email_taken")
    assert desk.plan() == ["cus_a lead_merged"]
    assert desk.row("cus_a")["operation"]["secondary"] == {"email": "lead-1@example.com"}
    desk.accept()
    assert desk.plan() == []
    desk.wait()
    assert desk.sync() == ["cus_a email_changed"]
    assert desk.sync() == []


def test_an_email_that_is_locked_is_changed_once_the_internal_id_is_known(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", email="customer-2@example.com")
    desk.sync()
    desk.change_ledger("cus_a", state="conflict", reason="email_locked")
    assert desk.sync() == ["cus_a email_locked"]
    desk.change_ledger("cus_a", cio_id="a300")
    assert desk.sync() == ["cus_a email_changed"]
    assert desk.ledger("cus_a")["state"] == "linked"


def test_a_person_with_another_id_is_left_alone_until_the_email_changes(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    desk.accept()
    desk.change_ledger("cus_a", state="conflict", reason="id_refused", attributes="{}")
    desk.customer("cus_a", mrr=7)
    assert desk.sync() == ["cus_a id_refused"]
    desk.customer("cus_a", email="customer-2@example.com")
    assert desk.sync() == ["cus_a linked_by_email"]


def test_a_value_that_is_too_large_holds_the_person_where_policy_rejects_it(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", rejected="name")
    assert desk.plan() == ["cus_a value_too_large"]
