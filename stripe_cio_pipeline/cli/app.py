"""The application: its commands, and what becomes of an error.

Exit codes: 0 all done; 1 something failed or was left undone; 2 wrong usage, settings or credentials; 3 a guard
stopped the run. An error is one clear message and never a traceback, unless STRIPE_CIO_DEBUG=1 asks for it.
"""

import gc
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import duckdb
import stamina
import typer
from pydantic import SecretStr
from typer.core import TyperCommand, TyperGroup

from stripe_cio_pipeline.cli.output import Output, OutputError, flush, print_json, unwritten
from stripe_cio_pipeline.cli.room import is_ample
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.settings import load_settings, split_secrets
from stripe_cio_pipeline.warehouse import KEEPER, fault_of
from stripe_cio_pipeline.wording import in_words

DEBUG = "STRIPE_CIO_DEBUG"
#: What typer gives for a Ctrl-C, by the shell's convention.
_INTERRUPTED = 130
#: Nothing for the group and for others.
_PRIVATE = 0o077
#: Waits below this are not worth a line.
_LONG_WAIT_SECONDS = 2.0
_REFUSED = re.compile(r"^(Invalid value for .+?: )(.+)$")
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[^\s@\"'<>]+")


class _Imported(Mapping[str, TyperCommand]):
    """The commands, each imported when it is asked for: a sync need not wait for the demo's sandbox."""

    def __getitem__(self, name: str) -> TyperCommand:
        module = import_module(f"stripe_cio_pipeline.cli.{_COMMANDS[name]}")
        gc.enable()  # off since the process began (`start`)
        alone = typer.Typer(add_completion=False)
        # The sandbox's options are its own, which the package leaves to itself.
        leaves_options = {"allow_extra_args": True, "ignore_unknown_options": True} if name == "sandbox" else None
        alone.command(name, context_settings=leaves_options, add_help_option=leaves_options is None)(
            getattr(module, name.replace("-", "_"))
        )
        command = typer.main.get_command(alone)
        if not isinstance(command, TyperCommand):
            raise TypeError(f"{name} is not one command")
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _Commands(TyperGroup):
    """The application's group of commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Imported()  # type: ignore[assignment]  # only read, so any mapping serves


#: Each command and the module that has it, as a function of the same name.
_COMMANDS = {
    "demo": "demo",
    "init": "setup",
    "check": "checks",
    "sync": "sync",
    "plan": "sync",
    "status": "status",
    "report": "overview",
    "explain": "explain",
    "lineage": "explain",
    "retry": "repair",
    "reconcile": "repair",
    "verify": "repair",
    "backfill-events": "backfill",
    "forget": "repair",
    "tidy": "repair",
    "support": "support",
    "listen": "listen",
    "dev": "serve",
    "sandbox": "serve",
}

app = typer.Typer(
    name="stripe-cio",
    cls=_Commands,
    help="Keep Customer.io in step with Stripe. Try it without any account: stripe-cio demo.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{version('stripe-cio-pipeline')}\n")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str], was_stopped: Callable[[], bool] = lambda: False) -> int:
    """Run one command and return its exit code. `was_stopped` tells whether a signal has ended it."""
    # What is written is for whoever runs this and nobody else: the warehouse, what DuckDB keeps beside it, Dagster's
    # storage. The files that `init` writes to be edited and shared are the exception.
    before = os.umask(_PRIVATE)
    if arguments[:1] == ["init"]:
        os.umask(before)
    try:
        return _run(arguments, was_stopped)
    finally:
        os.umask(before)


def _run(arguments: Sequence[str], was_stopped: Callable[[], bool]) -> int:
    as_json = "--json" in arguments
    stamina.instrumentation.set_on_retry_hooks([_tell_of_retry])
    try:
        command = typer.main.get_command(app)
        with KEEPER.keeping() if is_ample() else nullcontext():
            outcome = command.main(list(arguments) or ["--help"], prog_name="stripe-cio", standalone_mode=False)
        flush()
    except PipelineError as error:
        if isinstance(error, OutputError):
            _lead_nowhere()
        if was_stopped():
            return _interrupted(as_json)
        return _fail(as_json, type(error).__name__, error.what, error.advice, error.exit_code)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0  # how typer ends once a shell was told its completions
    except typer.TyperException as error:
        advice = "stripe-cio --help lists the commands; each has a --help of its own." if error.exit_code == 2 else ""
        what = _REFUSED.sub(lambda found: found[1] + in_words(found[2]), error.format_message())
        return _fail(as_json, "UsageError", what, advice, error.exit_code)
    except typer.Abort:
        if was_stopped():
            return _interrupted(as_json)
        return _fail(as_json, "Aborted", "Nothing was done.", "", 1)
    except BrokenPipeError:
        _lead_nowhere()  # the reader (`| head`) has seen enough
        return 0
    except duckdb.CatalogException as error:
        if os.environ.get(DEBUG) == "1":
            sys.stderr.write(visible(redact("".join(traceback.format_exception(error))), lines=True))
        what = "The warehouse lacks what this command reads: no sync was whole yet, or an older release wrote it."
        return _fail(as_json, "WarehouseError", what, "Run stripe-cio sync; it brings the warehouse up to date.", 1)
    except Exception as error:  # the last resort: nobody is to see a traceback who did not ask for one
        if was_stopped():
            return _interrupted(as_json)  # whatever it was in the middle of
        if isinstance(error, OSError) and _is_of_the_help(error):
            _lead_nowhere()
            told = unwritten(error)
            return _fail(as_json, type(told).__name__, told.what, told.advice, told.exit_code)
        if fault := fault_of(error, _location()):
            return _fail(as_json, type(fault).__name__, fault.what, fault.advice, fault.exit_code)
        return _unexpected(arguments, error)
    if outcome == _INTERRUPTED or was_stopped():
        return _interrupted(as_json)
    return outcome if isinstance(outcome, int) else 0


def _lead_nowhere() -> None:
    """Lead standard output elsewhere: Python would try once more what is left, and complain, when it closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted(as_json: bool) -> int:
    return _fail(as_json, "Interrupted", "Interrupted.", "Run it again: it goes on where it stopped.", _INTERRUPTED)


def _tell_of_retry(details: stamina.instrumentation.RetryDetails) -> None:
    # Half a minute of silence looks like a program that hangs.
    if details.wait_for >= _LONG_WAIT_SECONDS:
        sys.stderr.write(f"  no usable answer (attempt {details.retry_num}); again in {details.wait_for:.0f} s\n")


def _fail(as_json: bool, kind: str, what: str, advice: str, exit_code: int) -> int:
    errors = Output(as_json=True)
    # Only models have several findings at once, a line each. In any other message a line's end came from outside.
    errors.bad(what if kind == "ModelError" else visible(what))
    if advice:
        errors.say(f"  {advice}")
    if as_json:
        try:
            print_json({"error": {"kind": kind, "what": what, "advice": advice}, "exit_code": exit_code})
        except OutputError:
            _lead_nowhere()  # it is told above
    return exit_code


def _is_of_the_help(error: OSError) -> bool:
    """Whether it was met in writing help or the version: no command was at work, and no file was opened."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "stripe_cio_pipeline" in frame.filename]
    return error.filename is None and Path(own[-1].filename).name == Path(__file__).name


def _unexpected(arguments: Sequence[str], error: Exception) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "stripe_cio_pipeline" in frame.filename] or frames
    where = f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else "an unknown place"
    if os.environ.get(DEBUG) == "1":
        sys.stderr.write(visible(redact("".join(traceback.format_exception(error))), lines=True))
    # The exception's own words may hold a payload, so only its kind and place are told.
    return _fail(
        "--json" in arguments,
        "Unexpected",
        f"Something unexpected happened: {type(error).__name__} in {where}.",
        "Nothing that was done before is lost. Please open an issue with what stripe-cio support prints: it holds no "
        f"keys and no people. {_where_it_is_kept(arguments, error)}",
        1,
    )


def _where_it_is_kept(arguments: Sequence[str], error: Exception) -> str:
    try:
        from stripe_cio_pipeline.cli.support import keep_error

        kept = keep_error(error, arguments, load_settings().home)
    except Exception:  # whatever is wrong with the settings: another error is being told
        kept = False
    if kept:
        return f"For the full traceback run it again with {DEBUG}=1."
    return f"Run it again with {DEBUG}=1 for the full traceback, and add that."


def _location() -> str:
    try:
        return load_settings().warehouse_location
    except Exception:  # whatever is wrong with them: another error is being told
        return "here"


def redact(text: str) -> str:
    """Take keys and mail addresses out of a text."""
    try:
        settings = load_settings()
    except PipelineError:
        secrets: list[str] = []
    else:
        values = (getattr(settings, name) for name in type(settings).model_fields)
        secrets = [part for value in values if isinstance(value, SecretStr) for part in split_secrets(value)]
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return _EMAIL.sub("***@***", text)
