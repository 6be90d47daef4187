"""What each answer means for what was sent."""

import json
from typing import Any

import pytest

from stripe_cio_pipeline.deliver.outcome import (
    Accepted,
    Again,
    Answer,
    Halve,
    Partly,
    Problem,
    Stop,
    Without,
    judge,
)
from stripe_cio_pipeline.errors import CustomerioCredentialsError, CustomerioError, CustomerioRegionError


def answer(status: int | None, body: Any = None, **more: Any) -> Answer:
    return Answer(status, b"" if body is None else json.dumps(body).encode(), **more)


def error(index: Any = None, **more: Any) -> dict[str, Any]:
    return {"reason": "invalid", "field": "attributes.plan", "message": "too long", **more} | (
        {} if index is None else {"batch_index": index}
    )


REFUSED = Problem("invalid", "attributes.plan", "too long")


@pytest.mark.parametrize("body", [{}, None])
def test_200_accepts_everything(body: Any) -> None:
    assert judge(answer(200, body), 3) == Accepted()


def test_207_refuses_distinct_items_and_accepts_the_others() -> None:
    errors = [error(2), error(0, message="first"), error(2, message="again")]
    outcome = judge(answer(207, {"errors": errors}), 3)
    assert outcome == Partly({2: REFUSED, 0: Problem("invalid", "attributes.plan", "first")})


def test_errors_within_a_200_count_too() -> None:
    assert judge(answer(200, {"errors": [error(1)]}), 3) == Partly({1: REFUSED})


@pytest.mark.parametrize("index", [None, "1", -1, 3, True, 1.0])
def test_a_207_whose_error_cannot_be_matched_is_halved_until_it_can(index: Any) -> None:
    assert judge(answer(207, {"errors": [error(0), error(index)]}), 3) == Halve()
    assert judge(answer(207, {"errors": [error(index)]}), 1) == Partly({0: REFUSED})


@pytest.mark.parametrize("content", [b'{"errors": [', b"<html>", b'"ok"'])
def test_an_unreadable_200_or_207_is_asked_again(content: bytes) -> None:
    assert isinstance(judge(Answer(200, content), 3), Again)
    assert isinstance(judge(Answer(207, content), 3), Again)


def test_a_207_without_errors_says_nothing_and_is_asked_again() -> None:
    assert isinstance(judge(answer(207, {}), 3), Again)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_batch_is_halved_until_the_bad_items_are_alone(status: int) -> None:
    body = {"errors": [error()]}
    assert judge(answer(status, body), 2) == Halve()
    assert judge(answer(status, body), 1) == Without({0: REFUSED})


def test_a_400_that_names_items_is_sent_again_without_them() -> None:
    assert judge(answer(400, {"errors": [error(1)]}), 3) == Without({1: REFUSED})


@pytest.mark.parametrize("body", [{"meta": {"error": "no"}}, {"meta": {"errors": ["no"]}}])
def test_the_older_form_of_errors_is_read(body: Any) -> None:
    assert judge(answer(400, body), 1) == Without({0: Problem("invalid", None, "no")})


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522, 599])
def test_what_may_pass_is_asked_again(status: int) -> None:
    assert isinstance(judge(answer(status), 3), Again)


def test_a_retry_after_is_heeded_within_reason() -> None:
    assert judge(answer(429, retry_after=2.5), 3) == Again("it answered 429", 2.5)
    assert judge(answer(503, retry_after=86_400.0), 3) == Again("it answered 503", 300.0)


def test_a_broken_connection_is_asked_again() -> None:
    assert judge(answer(None, fault="the connection broke (ReadError)"), 3) == Again("the connection broke (ReadError)")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, CustomerioCredentialsError),
        (403, CustomerioCredentialsError),
        (301, CustomerioRegionError),
        (307, CustomerioRegionError),
        (404, CustomerioError),
        (418, CustomerioError),
    ],
)
def test_what_cannot_pass_stops_with_advice(status: int, kind: type[CustomerioError]) -> None:
    outcome = judge(answer(status), 3)
    assert isinstance(outcome, Stop)
    assert type(outcome.error) is kind
    assert outcome.error.advice
