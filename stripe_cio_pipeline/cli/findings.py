"""What `check` has found, and how it says so: what is right in short, what is not, and the next step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.errors import PipelineError

State = Literal["ok", "failed", "skipped"]
_MARKS: dict[State, str] = {"ok": "✔", "failed": "✘", "skipped": "–"}
#: A list of Stripe's that a sync reads.
_LIST = "Stripe /v1/"
#: What a subject begins with, and what it is a part of; anything else is a setting.
_AREAS = {
    "Stripe": "Stripe",
    "Customer.io": "Customer.io",
    "clock": "This machine",
    "warehouse": "This machine",
    "read allocation": "This machine",
    "upgrade": "This machine",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `skipped` is no failure: that part is not set up and not needed.

    `advice` says what to do about it, `note` what else there is to know.
    """

    subject: str
    state: State
    what: str
    advice: str = ""
    exit_code: int = 0
    note: str = ""

    @classmethod
    def of(cls, subject: str, error: PipelineError) -> "Finding":
        """Turn an error into a finding."""
        return cls(subject, "failed", error.what, error.advice, error.exit_code)

    @property
    def area(self) -> str:
        """What it is a part of."""
        return next((area for begin, area in _AREAS.items() if self.subject.startswith(begin)), "Settings")


def show_findings(output: Output, findings: list[Finding], *, whole: bool) -> None:
    """Say what was found: all in one sentence, then what is right, what is not, and last what to do next.

    `whole` shows each thing that was looked at on its own.
    """
    failed = [finding for finding in findings if finding.state == "failed"]
    if failed:
        output.say(f"{len(failed)} of {len(findings)} checks failed.", "bold red")
    else:
        output.say("Everything that a sync needs is there.", "bold green")
    if whole:
        output.table(
            "What was looked at",
            ("", "what", "found"),
            ((_MARKS[finding.state], finding.subject, finding.what) for finding in findings),
        )
        for finding in findings:
            if finding.note:
                output.say(f"– {finding.subject}: {finding.note}")
    else:
        _say_what_is_right(output, findings)
    for finding in findings:
        if finding.state == "skipped" or (finding.state == "ok" and finding.advice):
            output.say(f"– {finding.subject}: {finding.what.removesuffix('.')}. {finding.advice}".rstrip())
    # The advice for the first is the next step, and is given last.
    for number, finding in enumerate(failed):
        output.bad(f"{finding.subject}: {finding.what}")
        if number and finding.advice:
            output.say(f"  {finding.advice}")
    _say_what_is_next(output, failed)


def _say_what_is_right(output: Output, findings: Iterable[Finding]) -> None:
    areas: dict[str, list[Finding]] = {}
    for finding in findings:
        areas.setdefault(finding.area, []).append(finding)
    for area, found in areas.items():
        right = [finding for finding in found if finding.state == "ok"]
        told = [
            f"{finding.subject.removeprefix(f'{area} ')} {finding.what}"
            for finding in right
            if not finding.subject.startswith(_LIST) and not finding.advice
        ]
        lists = [finding for finding in found if finding.subject.startswith(_LIST)]
        readable = sum(finding.state == "ok" for finding in lists)
        if readable:
            told.append(f"{'all' if readable == len(lists) else f'{readable} of'} {len(lists)} lists may be read")
        if told:
            output.good(f"{area}: {'; '.join(told)}.")


def _say_what_is_next(output: Output, failed: list[Finding]) -> None:
    if not failed:
        output.say(
            "Nothing runs by itself yet, because schedules and sensor are stopped by default. To turn them on: "
            "stripe-cio dev, in the UI under Automation switch on the sensor stripe_changes and the schedules "
            "sync_schedule, reconcile_schedule, verify_schedule, overview_schedule and tidy_schedule."
        )
        output.say("Next: stripe-cio sync --dry-run. It shows what would be sent, and sends nothing.", "bold")
        return
    first, *others = failed
    then = "Then correct the others, and run stripe-cio check again." if others else "Then run stripe-cio check again."
    about = f"{first.subject}: " if others else ""
    output.say(f"Next: {about}{first.advice or 'Correct what is named above.'} {then}", "bold")
