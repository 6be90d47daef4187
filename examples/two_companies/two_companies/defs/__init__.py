"""One folder for each pipeline."""
