"""The error contract, tested as a set."""

import inspect

import pytest

from stripe_cio_pipeline import errors
from stripe_cio_pipeline.errors import PipelineError

ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PipelineError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_stands_in_the_tree_with_its_exit_code(kind: type[PipelineError]) -> None:
    line = next(line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in line)
    assert f"exit {kind.exit_code}" in line


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_says_what_happened_and_then_what_to_do(kind: type[PipelineError]) -> None:
    error = kind("It broke.", "Mend it.")
    assert str(error) == "It broke. Mend it."
    assert (error.what, error.advice) == ("It broke.", "Mend it.")
    assert str(kind("It broke.")) == "It broke."
