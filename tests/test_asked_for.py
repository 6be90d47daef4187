"""What models read is asked for: every path is declared, and what must be expanded is expanded in every request."""

from collections import defaultdict

import pytest

from stripe_cio_pipeline.extract import OBJECTS
from stripe_cio_pipeline.extract.objects import BY_NAME, Given
from stripe_cio_pipeline.model.files import load_models
from stripe_cio_pipeline.model.trace import ColumnSource, lineage
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.sandbox.stripe.expand import INCLUDES, LINKS, objects_asked_for


def read_by_models() -> dict[str, set[str]]:
    """The paths by table, from the SQL of all models that read raw objects, whatever becomes of them afterwards."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in load_models(None).objects:
        # Any model can be followed back, though only three are named in its type.
        columns: dict[str, tuple[ColumnSource, ...]] = lineage(Policy(), model=file.name)  # type: ignore[arg-type]
        for sources in columns.values():
            for source in sources:
                found[source.table.removeprefix("stripe.")].add(source.field)
    return found


READ = read_by_models()


def declared(name: str) -> dict[str, Given]:
    return {path: given for given in BY_NAME[name].given for path in given.paths}


def test_the_paths_are_those_of_the_sql() -> None:
    assert "items.data[].price.unit_amount" in READ["subscriptions"]
    assert "invoice_settings.default_payment_method.card.last4" in READ["customers"]
    assert sum(len(paths) for paths in READ.values()) > 150


@pytest.mark.parametrize("name", READ)
def test_how_stripe_gives_each_path_that_a_model_reads_is_declared(name: str) -> None:
    # `deleted` is no field of a payload: extraction keeps it beside it.
    missing = READ[name] - declared(name).keys() - {"deleted"}
    assert not missing, f"say in extract/objects.py how Stripe gives {', '.join(sorted(missing))} of {name}"


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.name)
def test_no_path_is_declared_twice(kind) -> None:
    paths = [path for given in kind.given for path in given.paths]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.name)
def test_what_is_declared_to_come_by_an_expand_is_below_it(kind) -> None:
    for given in kind.given:
        if given.how == "expand":
            for path in given.paths:
                plain = path.replace("[]", "")
                # To expand something deep expands what it stands in.
                above = f"{given.by}.".startswith(f"{plain.rpartition('.')[0]}.")
                assert above or f"{plain}.".startswith(f"{given.by}."), (given.by, path)


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.name)
def test_what_stripe_gives_only_when_asked_is_not_declared_as_given_by_default(kind) -> None:
    """By the sandbox's table of what can be expanded, which is Stripe's reference."""
    links, left_out = LINKS.get(kind.kind, {}), INCLUDES.get(kind.kind, frozenset())
    for given in kind.given:
        for path in given.paths if given.how == "default" else ():
            plain = path.replace("[]", "")
            assert plain.partition(".")[0] not in left_out, path
            assert not any(plain.startswith(f"{link}.") for link in links), path


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.name)
def test_every_expand_is_one_that_stripe_knows_in_a_list_too(kind) -> None:
    for path in kind.expands:
        list(objects_asked_for(kind.kind, path, old=False))
        assert len(f"data.{path}".split(".")) <= 4
