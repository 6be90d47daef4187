"""Track API v2: ``/api/v2/batch`` and ``/api/v2/entity``."""

import orjson

from stripe_cio_pipeline.sandbox.customerio import answers
from stripe_cio_pipeline.sandbox.customerio.answers import Answer, Request
from stripe_cio_pipeline.sandbox.customerio.validation import Problem, RefusedRequestError, read_batch, read_entity
from stripe_cio_pipeline.sandbox.customerio.workspace import Workspace

BATCH = "/api/v2/batch"
ENTITY = "/api/v2/entity"


def batch(workspace: Workspace, request: Request) -> Answer:
    """Accept the good operations of a batch and list the bad ones by ``batch_index``."""
    try:
        operations, sizes = read_batch(request.body, workspace.switches)
    except RefusedRequestError as refused:
        return _refused(refused.problems, BATCH)
    good = []
    errors = []
    bad = 0
    problems_of = workspace.problems
    for index, (operation, size) in enumerate(zip(operations, sizes, strict=True)):
        problems = problems_of(operation, size)
        if problems:
            bad += 1
            errors += [problem.as_error(index) for problem in problems]
        else:
            good.append(operation)
    if good:
        workspace.accept(good)
    if not errors:
        return Answer(200, answers.ACCEPTED.body, answers.ACCEPTED.headers, BATCH)
    workspace.counters.add("operations.rejected", bad)
    status = workspace.switches.all_invalid_status if not good else 207
    return answers.track(status, {"errors": errors}, endpoint=BATCH)


def entity(workspace: Workspace, request: Request) -> Answer:
    """Accept one operation or refuse it."""
    try:
        operation = read_entity(request.body, workspace.switches)
    except RefusedRequestError as refused:
        return _refused(refused.problems, ENTITY)
    problems = workspace.problems(operation)
    if problems:
        workspace.counters.add("operations.rejected")
        return _refused(tuple(problems), ENTITY)
    workspace.accept([operation])
    return Answer(200, answers.ACCEPTED.body, answers.ACCEPTED.headers, ENTITY)


def accept_only(workspace: Workspace, body: bytes) -> bool:
    """Count the operations of a batch and keep nothing; false where it is no batch at all."""
    try:
        operations = orjson.loads(body)["batch"]
        workspace.counters.add("operations.accepted", len(operations))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    workspace.counters.add("bytes", len(body))
    return True


def _refused(problems: tuple[Problem, ...], endpoint: str) -> Answer:
    return answers.track(400, {"errors": [problem.as_error() for problem in problems]}, endpoint=endpoint)
