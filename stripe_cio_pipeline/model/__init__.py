"""The model: SQL files that say what every person should look like, and which Stripe events to forward.

Reads `stripe.*`, writes `model.*`. `build` runs the files over everything or over what changed, `check_models` proves
them before anything is sent. `trace.lineage` follows an attribute back to Stripe's fields: whoever wants it takes it
from there, because its parser takes as long to load as everything else here.
"""

from stripe_cio_pipeline.model.build import build, check_models
from stripe_cio_pipeline.model.files import compare_copies, copy_models
from stripe_cio_pipeline.model.report import Column, ColumnSource, LimitFinding, ModelReport

__all__ = [
    "Column",
    "ColumnSource",
    "LimitFinding",
    "ModelReport",
    "build",
    "check_models",
    "compare_copies",
    "copy_models",
]
