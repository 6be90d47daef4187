"""The overview: what an account looks like and how the pipeline does, read from the warehouse and drawn.

It only reads. Dagster's asset `model/overview` and `stripe-cio report` show the same pictures.
"""

from stripe_cio_pipeline.overview.figures import Overview, read_overview
from stripe_cio_pipeline.overview.page import write_page
from stripe_cio_pipeline.overview.pictures import Picture, draw_pictures

__all__ = ["Overview", "Picture", "draw_pictures", "read_overview", "write_page"]
