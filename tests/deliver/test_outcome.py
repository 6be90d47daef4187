"""What each answer means for what was sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from stripe_cio_pipeline.deliver.outcome import (
    Accepted,
    Again,
    Answer,
    Halve,
    Outcome,
    Partly,
    Problem,
    Stop,
    Without,
    judge,
    judge_read,
)
from stripe_cio_pipeline.errors import (
    CustomerioCredentialsError,
    CustomerioError,
    CustomerioRegionError,
    CustomerioUnavailable,
)


def answer(status: int | None, body: Any = None, **more: Any) -> Answer:
    return Answer(status, b"" if body is None else json.dumps(body).encode(), **more)


def error(index: Any = None, **more: Any) -> dict[str, Any]:
    return {"reason": "invalid", "field": "attributes.plan", "message": "too long", **more} | (
        {} if index is None else {"batch_index": index}
    )


REFUSED = Problem("invalid", "attributes.plan", "too long")


@pytest.mark.parametrize("body", [{}, None])
@pytest.mark.parametrize("status", [200, 202])
def test_200_accepts_everything(status: int, body: Any) -> None:
    assert judge(answer(status, body), 3) == Accepted()


def test_207_refuses_distinct_items_and_accepts_the_others() -> None:
    errors = [error(2), error(0, message="first"), error(2, message="again")]
    outcome = judge(answer(207, {"errors": errors}), 3)
    assert outcome == Partly({2: REFUSED, 0: Problem("invalid", "attributes.plan", "first")})


def test_errors_within_a_200_count_too() -> None:
    assert judge(answer(200, {"errors": [error(1)]}), 3) == Partly({1: REFUSED})


@pytest.mark.parametrize("index", [None, "1", -1, 3, True, 1.0])
def test_a_207_whose_error_cannot_be_matched_is_halved_until_it_can(index: Any) -> None:
    assert judge(answer(207, {"errors": [error(0), error(index)]}), 3) == Halve()
    assert judge(answer(207, {"errors": [error(index)]}), 2) == Halve()
    assert judge(answer(207, {"errors": [error(index)]}), 1) == Partly({0: REFUSED})


@pytest.mark.parametrize("odd", [None, "no", 7, ["no"]])
def test_a_207_whose_error_is_no_object_is_halved_and_the_last_item_told_as_refused(odd: Any) -> None:
    unreadable = Problem("invalid", None, "refused without a readable reason")
    assert judge(answer(207, {"errors": [odd]}), 2) == Halve()
    assert judge(answer(207, {"errors": [odd]}), 1) == Partly({0: unreadable})


def test_an_error_keeps_its_reason_its_field_and_its_message_within_bounds() -> None:
    told = error(0, reason="r" * 101, field="f" * 301, message="m" * 501)
    assert judge(answer(207, {"errors": [told]}), 1) == Partly({0: Problem("r" * 100, "f" * 300, "m" * 500)})
    assert judge(answer(207, {"errors": [{"batch_index": 0, "detail": "too long"}]}), 1) == Partly(
        {0: Problem("invalid", None, "too long")}
    )
    assert judge(answer(207, {"errors": [{"batch_index": 0}]}), 1) == Partly({0: Problem("invalid", None, None)})


@pytest.mark.parametrize("content", [b'{"errors": [', b"<html>", b'"ok"'])
def test_an_unreadable_200_or_207_is_asked_again(content: bytes) -> None:
    assert isinstance(judge(Answer(200, content), 3), Again)
    assert isinstance(judge(Answer(207, content), 3), Again)


def test_what_is_asked_again_says_what_came() -> None:
    assert judge(answer(207, {}), 3) == Again("it answered 207 without saying which items it refuses")
    assert judge(Answer(202, b"<html>"), 3) == Again("it answered 202 with a body that is not JSON")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_batch_is_halved_until_the_bad_items_are_alone(status: int) -> None:
    body = {"errors": [error()]}
    assert judge(answer(status, body), 2) == Halve()
    assert judge(answer(status, body), 1) == Without({0: REFUSED})
    assert judge(answer(status), 1) == Without({0: Problem("invalid", None, f"refused with status {status}")})


def test_a_400_that_names_items_is_sent_again_without_them() -> None:
    assert judge(answer(400, {"errors": [error(1)]}), 3) == Without({1: REFUSED})


@pytest.mark.parametrize("body", [{"meta": {"error": "no"}}, {"meta": {"errors": ["no"]}}])
def test_the_older_form_of_errors_is_read(body: Any) -> None:
    assert judge(answer(400, body), 1) == Without({0: Problem("invalid", None, "no")})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 599])
def test_what_may_pass_is_asked_again(status: int) -> None:
    assert isinstance(judge(answer(status), 3), Again)


def test_a_retry_after_is_heeded_within_reason() -> None:
    assert judge(answer(429, retry_after=2.5), 3) == Again("it answered 429", 2.5)
    assert judge(answer(503, retry_after=86_400.0), 3) == Again("it answered 503", 300.0)
    assert judge(answer(503, retry_after=-1.0), 3) == Again("it answered 503", 0.0)
    assert judge(answer(503), 3) == Again("it answered 503", None)


def test_a_broken_connection_is_asked_again() -> None:
    assert judge(answer(None, fault="the connection broke (ReadError)"), 3) == Again("the connection broke (ReadError)")
    assert judge(answer(None), 3) == judge_read(answer(None)) == Again("the connection broke")


@pytest.mark.parametrize("judged", [lambda told: judge(told, 3), judge_read])
@pytest.mark.parametrize(
    ("status", "kind", "what", "advice"),
    [
        (401, CustomerioCredentialsError, "refuses the credentials (401)", "CUSTOMERIO_TRACK_API_KEY"),
        (403, CustomerioCredentialsError, "refuses the credentials (403)", "CUSTOMERIO_TRACK_API_KEY"),
        (300, CustomerioRegionError, "a redirect (300)", "CUSTOMERIO_REGION"),
        (301, CustomerioRegionError, "a redirect (301)", "CUSTOMERIO_REGION"),
        (399, CustomerioRegionError, "a redirect (399)", "CUSTOMERIO_REGION"),
        (404, CustomerioError, "does not know the call (404)", "CUSTOMERIO_TRACK_URL"),
        (405, CustomerioError, "does not know the call (405)", "CUSTOMERIO_TRACK_URL"),
        (410, CustomerioError, "does not know the call (410)", "CUSTOMERIO_TRACK_URL"),
    ],
)
def test_what_cannot_pass_stops_with_advice(
    judged: Callable[[Answer], Outcome], status: int, kind: type[CustomerioError], what: str, advice: str
) -> None:
    outcome = judged(answer(status))
    assert isinstance(outcome, Stop)
    assert type(outcome.error) is kind
    assert what in str(outcome.error)
    assert advice in outcome.error.advice


@pytest.mark.parametrize("status", [203, 226, 406, 418, 451])
def test_a_status_that_nobody_documents_accepts_nothing_and_stops(status: int) -> None:
    batch, read = judge(answer(status), 3), judge_read(answer(status))
    assert isinstance(batch, Stop)
    assert isinstance(read, Stop)
    assert f"answered {status} to a batch" in str(batch.error)
    assert f"answered {status} to a read" in str(read.error)


@pytest.mark.parametrize("status", [202, 207, 400])
def test_a_read_is_answered_by_200_alone(status: int) -> None:
    outcome = judge_read(answer(status, {}))
    assert isinstance(outcome, Stop)
    assert type(outcome.error) is CustomerioUnavailable


def test_a_read_counts_where_it_brings_a_json_object() -> None:
    assert judge_read(answer(200, {"results": []})) == Accepted()
    for content in (b"", b"[]", b"<html>", b'{"results": ['):
        assert judge_read(Answer(200, content)) == Again("it answered 200 with a body that is not a JSON object")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_read_that_may_pass_is_asked_again(status: int) -> None:
    assert judge_read(answer(status, retry_after=2.0)) == Again(f"it answered {status}", 2.0)
