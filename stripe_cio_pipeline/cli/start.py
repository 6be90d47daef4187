"""The first and the last moments of a command: Ctrl-C and SIGTERM end it cleanly whenever they come.

This imports nothing of weight, so that it listens before anything else happens. Whatever a stop interrupts is whole or
is not there: the warehouse keeps to transactions, and a delivery writes down each answer.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType
from typing import TextIO

from stripe_cio_pipeline.cli.room import is_too_narrow, ran_out

#: How long a command may take to end by itself once it was told to, before its process ends at once.
SECONDS = 4.0

#: How often it is looked whether an import is over.
_LOOK_SECONDS = 0.02

_WORDS = "✘ Interrupted.\n  Run it again: it goes on where it stopped.\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 130 after Ctrl-C, 143 after SIGTERM."""
    stopped: list[int] = []
    given = list(sys.argv[1:] if arguments is None else arguments)

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped:
            os._exit(128 + stopped[0])  # asked twice
        stopped.append(number)
        _hush()
        watch = threading.Timer(SECONDS, _give_up, [128 + number])
        watch.daemon = True
        watch.start()
        end(number, frame)

    def end(_: int, frame: FrameType | None) -> None:
        if _is_importing(frame) and hasattr(signal, "setitimer"):
            # What is being set up in C does not bear it everywhere: some crash. So this looks again, and again.
            signal.signal(signal.SIGALRM, end)
            signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS)
            return
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    code = 1
    # A stream that was closed (`>&-`) is none to Python.
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    # Where the locale has no Unicode (a crontab's often), what it lacks is written out, as on standard error.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if is_too_narrow(given):
        sys.exit(code)
    try:
        # What is imported stays to the end: looking through it for garbage takes a fifth of the time. The application
        # switches it on again when it has its command.
        gc.disable()
        from stripe_cio_pipeline.cli.app import run

        code = run(given, was_stopped=lambda: bool(stopped))
        _look_no_more()
        # All is done. Python gives up its handlers before it ends, and a signal would then end it as if it were not.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    except BaseException as error:
        _look_no_more()
        # Any error, not KeyboardInterrupt alone: in the middle of importing C code the stop comes as an ImportError.
        if stopped:
            sys.stderr.write(_WORDS)
        elif not ran_out(given, error):
            raise
    if not stopped:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by way of Python's own end: a thread may still be in DuckDB, and would find its objects gone.
    os._exit(128 + stopped[0])


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _look_no_more() -> None:
    """End the looks at whether an import is over: it is, and another stop would come out of what is left to say."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


def _hush() -> None:
    """Let nothing be told any more of what is broken off: tasks that nobody waits for, errors in what is given up."""
    if logging := sys.modules.get("logging"):
        logging.disable()
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None


def _give_up(code: int) -> None:
    os.write(2, _WORDS.encode())
    os._exit(code)
