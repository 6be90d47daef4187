"""What reading back tells about itself."""

from typing import Any

from stripe_cio_pipeline.deliver import VerifyReport
from stripe_cio_pipeline.orchestration.metadata import figures, markdown, table


def found_drift(report: VerifyReport) -> bool:
    """Whether somebody in Customer.io is not as Customer.io has accepted."""
    return bool(report.drifted or report.missing or report.not_linked or report.conflicts)


def sum_up_verification(report: VerifyReport) -> str:
    """Say in a sentence what was found."""
    if report.skipped:
        return f"{report.skipped} Set it to read people back."
    if not found_drift(report):
        rest = "" if report.matched == report.checked else "; the others are only delayed, or are looked for again"
        return f"{report.matched} of {report.checked} people match{rest}."
    return (
        f"Of {report.checked} people {report.drifted} drifted and are sent again, {report.missing} were deleted in "
        f"Customer.io, {report.not_linked} are linked again, and {sum(report.conflicts.values())} are in conflict. "
        "stripe-cio explain PERSON says more."
    )


def tell_of_verification(report: VerifyReport) -> dict[str, Any]:
    """Tell the figures, the attributes that drifted, and examples."""
    return {
        **figures(report),
        "conflicts": markdown(table(("reason", "people"), report.conflicts.items(), nothing="None.")),
        "drifted attributes": markdown(
            table(("attribute", "people"), report.drifted_attributes.items(), nothing="None.")
        ),
        "examples": markdown(
            table(
                ("finding", "people"),
                ((finding, ", ".join(people[:5])) for finding, people in report.examples.items()),
                nothing="None.",
            )
        ),
    }
