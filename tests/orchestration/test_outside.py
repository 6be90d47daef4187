"""Names that others chose, in all that Dagster's UI shows."""

import re
from typing import Any

import dagster as dg

from stripe_cio_pipeline.outside import visible
from tests.orchestration.conftest import World

BEACON = "![b](http://example.com/beacon.png) <img src=http://example.com/x> \x1b[31m | \u202e www.example.com"
#: Pictures of our own, which hold their data themselves.
OURS = re.compile(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]*\)")


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """All metadata of assets and checks, by where it stands."""
    found: dict[str, Any] = {}
    for event in result.get_asset_materialization_events():
        for name, value in event.step_materialization_data.materialization.metadata.items():
            found[f"{event.asset_key}:{name}"] = value
    for check in result.get_asset_check_evaluations():
        for name, value in check.metadata.items():
            found[f"{check.asset_key}:{check.check_name}:{name}"] = value
    return found


def test_no_entry_lets_text_of_others_act(world: World) -> None:
    stripe = world.sandbox.stripe
    product = stripe.create_product(BEACON)
    price = stripe.create_price(product["id"], unit_amount=900)
    for number in range(3):
        customer = stripe.create_customer(
            email=f"beacon-{number}@example.com", name=BEACON, phone=BEACON, metadata={"note": BEACON}
        )
        stripe.attach_card(customer["id"])
        stripe.create_subscription(customer["id"], price=price["id"])
    world.sandbox.clock.advance(hours=1)

    entries: dict[str, Any] = {}
    for job in ("sync", "reconcile", "verify", "overview"):
        entries |= shown(world.run(job=job, config={"make_plan": {"approve": True}} if job == "sync" else None))

    assert any("beacon.png" in str(value.value) for value in entries.values())
    for name, entry in entries.items():
        text = str(entry.value)
        if isinstance(entry, dg.MarkdownMetadataValue):
            rest = OURS.sub("", text)
            assert "![" not in rest, name
            assert not re.search(r"<\w|https?://|www\.", rest), name
            assert visible(rest, lines=True) == rest, name
        elif isinstance(entry, (dg.TextMetadataValue, dg.TableSchemaMetadataValue)):
            assert visible(text, lines=True) == text, name
