"""The pipeline as Dagster definitions: thin, on top of the rooms. An asset calls one function and tells what it did."""
