"""`python -m stripe_cio_pipeline.cli.document docs/configuration.md` renews the tables of that page."""

import sys
from pathlib import Path

from stripe_cio_pipeline.cli.configuration import renew

for file in map(Path, sys.argv[1:]):
    file.write_text(renew(file.read_text(encoding="utf-8")), encoding="utf-8")
