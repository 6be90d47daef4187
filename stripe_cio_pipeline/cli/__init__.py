"""The command line `stripe-cio`: thin, it calls the rooms and the Dagster job and shows what they report."""

from stripe_cio_pipeline.cli.start import main

__all__ = ["main"]
