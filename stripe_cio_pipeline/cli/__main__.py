"""`python -m stripe_cio_pipeline.cli` is `stripe-cio`."""

from stripe_cio_pipeline.cli.start import main

main()
