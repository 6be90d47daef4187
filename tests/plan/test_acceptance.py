"""What acceptance brings: the row that planning wrote, in place of the one that it looked at, and of no other."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from stripe_cio_pipeline.warehouse import Warehouse, migrations, read_cursor, write_cursor


def linked(desk, **fields: Any) -> None:
    desk.customer("cus_a", **{"email": "customer-1@example.com", "mrr": 1, **fields})
    desk.sync()
    assert desk.plan() == []


def move(desk, **columns: Any) -> None:
    """What verification, `retry` or `forget` does to the row while calls go out."""
    desk.change_ledger("cus_a", **columns)


def remove_row(desk) -> None:
    """What verification does to a link that was not applied, and `retry` to a refused one."""
    with desk.warehouse.transaction() as connection:
        connection.execute("delete from customerio.people where person_id = 'cus_a'")
        connection.execute("insert into customerio.due values ('cus_a', now()::timestamp, 'not_linked')")


def test_an_update_leaves_the_link_as_it_was_and_has_the_models_attributes_to_the_letter(desk) -> None:
    linked(desk, plans=["pro"])
    before = desk.ledger("cus_a")
    desk.customer("cus_a", mrr=2, plans=None)
    desk.plan()
    desk.wait(5)
    desk.accept()
    after = desk.ledger("cus_a")
    assert after["attributes"] == '{"id":"cus_a","email":"customer-1@example.com","name":"cus_a","mrr":2.0}'
    assert after["linked_at"] == before["linked_at"]
    assert after["accepted_at"] > before["accepted_at"]
    assert after["seq"] > before["seq"]
    assert (after["state"], after["id"], after["email"]) == ("linked", "cus_a", "customer-1@example.com")


def test_an_email_that_only_its_spelling_tells_apart_counts_as_it_was_sent(desk) -> None:
    linked(desk)
    desk.customer("cus_a", email="CUSTOMER-1@example.com", mrr=2)
    assert desk.plan() == ["cus_a attributes_changed"]
    desk.accept()
    assert desk.ledger("cus_a")["email"] == "customer-1@example.com"
    assert '"email":"customer-1@example.com"' in desk.ledger("cus_a")["attributes"]
    assert desk.plan(full=True) == []


def test_drift_that_is_found_while_a_change_is_under_way_is_not_lost(desk) -> None:
    linked(desk)
    desk.customer("cus_a", mrr=2)
    desk.plan()
    move(desk, attributes='{"id":"cus_a","email":"customer-1@example.com","mrr":1.0}')  # the name has drifted
    desk.accept()
    assert desk.plan() == ["cus_a attributes_changed"]
    assert desk.row("cus_a")["after"] == {"name": "cus_a", "mrr": 2.0}
    desk.accept()
    assert desk.plan() == []


def test_a_conflict_that_is_found_while_a_change_is_under_way_stays(desk) -> None:
    linked(desk)
    desk.customer("cus_a", mrr=2)
    desk.plan()
    move(desk, state="conflict", reason="email_locked")
    desk.accept()
    assert (desk.ledger("cus_a")["state"], desk.ledger("cus_a")["reason"]) == ("conflict", "email_locked")
    assert desk.sync() == ["cus_a attributes_changed"]
    assert (desk.ledger("cus_a")["state"], desk.ledger("cus_a")["reason"]) == ("conflict", "email_locked")
    assert desk.plan() == ["cus_a email_locked"]


def test_a_link_that_was_not_applied_is_made_anew_whatever_was_accepted_meanwhile(desk) -> None:
    linked(desk)
    desk.customer("cus_a", mrr=2)
    desk.plan()
    remove_row(desk)
    desk.accept()
    assert desk.plan() == ["cus_a linked_by_email"]


def test_who_was_forgotten_meanwhile_is_not_brought_back(desk) -> None:
    linked(desk)
    desk.customer("cus_a", mrr=2)
    desk.plan()
    move(desk, state="suppressed", reason="forgotten", email=None, attributes="{}")
    desk.accept()
    row = desk.ledger("cus_a")
    assert (row["state"], row["email"], row["attributes"]) == ("suppressed", None, "{}")
    assert desk.plan() == []


@pytest.mark.parametrize(("policy", "state"), [("delete", "deleted"), ("suppress", "suppressed")])
def test_a_removal_holds_whatever_was_found_meanwhile(desk, policy: str, state: str) -> None:
    desk.set_policy(identity={"on_delete": policy})
    linked(desk)
    desk.customer("cus_a", deleted=True)
    desk.plan()
    move(desk, state="conflict", reason="email_taken")
    desk.accept()
    row = desk.ledger("cus_a")
    assert (row["state"], row["id"]) == (state, "cus_a")
    assert (row["email"], row["attributes"], row["reason"]) == (None, "{}", None)


def test_a_suppression_outlasts_a_deletion(desk) -> None:
    desk.set_policy(identity={"on_delete": "delete"})
    linked(desk)
    desk.customer("cus_a", deleted=True)
    desk.plan()
    move(desk, state="suppressed", reason="forgotten", email=None, attributes="{}")
    desk.accept()
    assert (desk.ledger("cus_a")["state"], desk.ledger("cus_a")["reason"]) == ("suppressed", "forgotten")


def test_an_internal_id_that_is_filled_meanwhile_is_kept_and_no_move(desk) -> None:
    linked(desk)
    desk.customer("cus_a", email="customer-2@example.com")
    assert desk.plan() == ["cus_a email_changed"]
    with desk.warehouse.transaction() as connection:
        connection.execute("update customerio.people set cio_id = 'a300'")
    desk.accept()
    row = desk.ledger("cus_a")
    assert (row["cio_id"], row["email"], row["state"]) == ("a300", "customer-2@example.com", "linked")


def test_who_was_merged_into_another_is_gone_and_the_other_is_as_before(desk) -> None:
    desk.set_policy(identity={"merge": True})
    linked(desk)
    desk.customer("cus_b", email="customer-2@example.com")
    desk.sync()
    before = desk.ledger("cus_a")
    desk.customer("cus_b", email="customer-1@example.com")
    assert desk.sync() == ["cus_b joined_another_person"]
    assert (desk.ledger("cus_b")["state"], desk.ledger("cus_b")["email"]) == ("deleted", None)
    assert desk.ledger("cus_a") == before


def test_an_attribute_that_policy_leaves_stays_accepted_through_changes_of_others(desk) -> None:
    desk.set_policy(customerio={"removed_attribute": "leave"})
    linked(desk)
    with desk.warehouse.connect() as connection:
        connection.execute("alter table model.people drop column mrr")
        connection.execute("update model.people set name = 'changed', _seq = 1000")
    desk.model = lambda: None
    assert desk.plan() == ["cus_a attributes_changed"]
    desk.accept()
    assert '"mrr":1.0' in desk.ledger("cus_a")["attributes"]
    assert desk.plan(full=True) == []


def test_an_attribute_that_policy_once_left_is_unset_when_policy_says_so(desk) -> None:
    desk.set_policy(customerio={"removed_attribute": "leave"})
    linked(desk)
    with desk.warehouse.connect() as connection:
        connection.execute("alter table model.people drop column mrr")
    desk.model = lambda: None
    assert desk.plan() == []
    assert desk.plan() == []
    desk.set_policy(customerio={"removed_attribute": "unset"})
    assert desk.plan() == ["cus_a attributes_changed"]
    assert desk.row("cus_a")["after"] == {"mrr": None}
    desk.accept()
    assert "mrr" not in desk.ledger("cus_a")["attributes"]
    assert desk.plan(full=True) == []


def test_what_a_plan_has_not_sent_is_written_nowhere_once_the_next_stands(desk) -> None:
    linked(desk)
    desk.customer("cus_a", mrr=2)
    desk.plan()
    desk.customer("cus_a", mrr=1)
    assert desk.plan() == []
    with desk.warehouse.reading() as connection:
        assert connection.execute("select count(*) from customerio.next_people").fetchone() == (0,)


def test_a_plan_from_before_it_said_so_gives_way_to_one_that_looks_at_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "warehouse.duckdb"
    with monkeypatch.context() as earlier:
        known = [step for step in migrations.steps() if step < "040"]
        earlier.setattr(migrations, "steps", lambda: known)
        # A file without any step: what tests copy has them all.
        duckdb.connect(str(place)).close()
        with Warehouse(place).transaction() as connection:
            connection.execute("insert into customerio.plans (plan_id, planned_at, counts) values ('p', now(), '{}')")
            connection.execute(
                "insert into customerio.operations (plan_id, position, action, person_id, reason) values "
                "('p', 1, 'update', 'a', 'sent'), ('p', 2, 'update', 'b', 'due'), ('p', 3, 'hold', 'c', 'held')"
            )
            connection.execute(
                "insert into customerio.answers (plan_id, first_position, last_position, sent_at, outcome) "
                "values ('p', 1, 1, now(), 'accepted')"
            )
            write_cursor(connection, "plan.seq", "7")
    with Warehouse(place).connect() as connection:
        assert connection.execute("select reason from customerio.operations").fetchall() == [("sent",)]
        assert connection.execute("select count(*) from customerio.plans").fetchall() == [(0,)]
        assert read_cursor(connection, "plan.seq") is None
