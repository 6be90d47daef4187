"""What asset checks see."""

from stripe_cio_pipeline.orchestration.checks import CHECKS
from stripe_cio_pipeline.warehouse import Warehouse
from tests.deliver.conftest import hold, update, write_plan


def test_nobody_is_held_or_in_conflict_without_the_check_seeing_it(warehouse: Warehouse) -> None:
    (check,) = (check for check in CHECKS if check.name == "no_conflicts")
    write_plan(warehouse, [*(hold(number, "email_in_use") for number in range(1, 21)), hold(21, "email_taken")])
    with warehouse.transaction() as connection:
        connection.execute(
            "insert into customerio.people (person_id, state, reason, seq) values "
            "('cus_000021', 'conflict', 'email_taken', 1), ('cus_000022', 'conflict', 'id_refused', 1), "
            "('cus_000023', 'linked', null, 1)"
        )
    with warehouse.reading() as connection:
        finding = check.look(connection, None)
    assert not finding.passed
    assert finding.metadata["people"].value == 22
    write_plan(warehouse, [update(23, {}, plan="pro")], plan_id="plan-2")
    with warehouse.transaction() as connection:
        connection.execute("update customerio.people set state = 'linked'")
    with warehouse.reading() as connection:
        assert check.look(connection, None).passed
