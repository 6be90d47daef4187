"""Forgetting leaves an id and the proof, and nothing else."""

import pytest

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.plan import forget


def written(desk) -> str:
    with desk.warehouse.reading() as connection:
        parts = [
            str(connection.execute(f"select * from customerio.{table}").fetchall())
            for table in ("people", "writes", "plan", "rejections", "due")
        ]
        parts.append(str(connection.execute("select * from model.owners").fetchall()))
    return "\n".join(parts)


def test_a_forgotten_person_is_deleted_in_customerio_and_leaves_only_the_proof(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", name="One")
    desk.sync()
    forgotten = forget(desk.warehouse, "customer-1@example.com", now=lambda: desk.at)
    assert (forgotten.person_id, forgotten.is_due) == ("cus_a", True)
    assert "customer-1" not in written(desk)
    assert desk.plan() == ["cus_a forgotten"]
    assert desk.row("cus_a")["operation"]["action"] == "delete"
    desk.accept()
    desk.wait()
    assert desk.sync() == []
    desk.customer("cus_a", name="Two", mrr=5)
    assert desk.sync() == []
    row = desk.ledger("cus_a")
    assert (row["state"], row["id"], row["email"]) == ("deleted", "cus_a", None)
    assert row["accepted_at"] is not None
    assert "customer-1" not in written(desk)


def test_a_person_deleted_by_policy_leaves_only_the_proof(desk) -> None:
    desk.set_policy(identity={"on_delete": "delete"})
    desk.customer("cus_a", email="customer-1@example.com", name="One")
    desk.sync()
    desk.customer("cus_a", deleted=True)
    desk.sync()
    desk.sync()
    assert "customer-1" not in written(desk)
    assert desk.ledger("cus_a")["accepted_at"] is not None


def test_forgetting_somebody_unknown_says_so_without_naming_them(desk) -> None:
    with pytest.raises(PipelineError) as refused:
        forget(desk.warehouse, "customer-9@example.com")
    assert "customer-9" not in str(refused.value)
