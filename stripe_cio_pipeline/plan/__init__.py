"""The plan: what is to be sent to Customer.io, why, and whether it may be sent unasked. Nothing here sends anything."""

from stripe_cio_pipeline.plan.approval import approve, current_plan
from stripe_cio_pipeline.plan.guard import OTHERWISE, found_words, guard_stop, remedy
from stripe_cio_pipeline.plan.planning import make_plan, preview
from stripe_cio_pipeline.plan.reasons import REASONS, SKIPPED
from stripe_cio_pipeline.plan.values import GuardFinding, GuardVerdict, Plan, PlanCounts, Preview, PreviewRow

__all__ = [
    "OTHERWISE",
    "REASONS",
    "SKIPPED",
    "GuardFinding",
    "GuardVerdict",
    "Plan",
    "PlanCounts",
    "Preview",
    "PreviewRow",
    "approve",
    "current_plan",
    "found_words",
    "guard_stop",
    "make_plan",
    "preview",
    "remedy",
]
