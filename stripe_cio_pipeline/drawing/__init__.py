"""Pictures as SVG text: numbers and names in, a picture out. No file, no network, no clock.

Dagster's UI and a page of HTML show them, in light and dark themes alike; so every picture brings its own paper. Text
from outside is escaped.
"""

from stripe_cio_pipeline.drawing.bars import Bar, Chart, draw_charts
from stripe_cio_pipeline.drawing.days import Series, draw_columns, draw_lines
from stripe_cio_pipeline.drawing.lineage import draw_attribute
from stripe_cio_pipeline.drawing.svg import as_markdown

__all__ = [
    "Bar",
    "Chart",
    "Series",
    "as_markdown",
    "draw_attribute",
    "draw_charts",
    "draw_columns",
    "draw_lines",
]
