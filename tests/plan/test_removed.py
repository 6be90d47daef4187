"""Of a person who was removed, an id and the proof stay, and nothing else."""


def written(desk) -> str:
    with desk.warehouse.reading() as connection:
        parts = [
            str(connection.execute(f"select * from customerio.{table}").fetchall())
            for table in ("people", "next_people", "operations", "writes", "plan", "rejections", "due")
        ]
        parts.append(str(connection.execute("select * from model.owners").fetchall()))
    return "\n".join(parts)


def test_a_person_deleted_by_policy_leaves_only_the_proof(desk) -> None:
    desk.set_policy(identity={"on_delete": "delete"})
    desk.customer("cus_a", email="customer-1@example.com", name="One")
    desk.sync()
    desk.customer("cus_a", deleted=True)
    desk.sync()
    desk.sync()
    assert "customer-1" not in written(desk)
    assert desk.ledger("cus_a")["accepted_at"] is not None
