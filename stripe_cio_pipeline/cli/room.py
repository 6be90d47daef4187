"""Whether there is room to work in at all, told before anything of weight is imported.

Where a process may use too few addresses (`ulimit -v`), DuckDB and Arrow cannot start threads of their own, and what
happens then is not Python's to tell: they abort the process, or it waits for a thread that never began.
"""

import os
import sys
from collections.abc import Sequence

from stripe_cio_pipeline.errors import MORE_MEMORY, NO_MEMORY

#: Bytes of addresses that a command needs, most of them reserved and never used. Measured with two processors: at
#: 900 MB some were aborted, at 500 MB some waited for ever; from here on each was whole, or told that memory ran out.
ADDRESSES = 1_000_000_000

#: What is said where memory cannot be had, beside raising MemoryError; the last by whoever loads a library.
_SIGNS = (*NO_MEMORY, "failed to map segment")


def is_too_narrow(arguments: Sequence[str]) -> bool:
    """Tell where a limit leaves too few addresses to work in, and go gently with those where there is any limit."""
    limit = _limit()
    if limit is None:
        return False
    # Arrow's own way to memory reserves a thousand megabytes of addresses at once, and ends the process where it is
    # then refused a few bytes.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if limit >= ADDRESSES:
        return False
    _tell(
        arguments,
        f"This process may use {limit / 1e6:,.0f} MB of addresses, and needs {ADDRESSES / 1e6:,.0f} MB.",
        "Nothing was done. Raise that limit (ulimit -v, LimitAS= of a unit). To bound the memory that is really used, "
        "take MemoryMax= or a container's limit instead.",
    )
    return True


def is_ample() -> bool:
    """Tell whether nothing limits the addresses of this process: a thread more may be one too many otherwise."""
    return _limit() is None


def _limit() -> int | None:
    """Give how many bytes this process may have addresses for; None where nothing limits it."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def ran_out(arguments: Sequence[str], error: BaseException) -> bool:
    """Tell where an error outside of every command, in an import mostly, says that there is no memory."""
    if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _SIGNS):
        return False
    _tell(
        arguments,
        "There is not enough memory to begin with.",
        f"Nothing was done. {MORE_MEMORY}",
    )
    return True


def _tell(arguments: Sequence[str], what: str, advice: str) -> None:
    sys.stderr.write(f"✘ {what}\n  {advice}\n")
    if "--json" in arguments:
        import json

        error = {"kind": "NotEnoughMemory", "what": what, "advice": advice}
        sys.stdout.write(f"{json.dumps({'error': error, 'exit_code': 1}, ensure_ascii=False)}\n")
