"""What waits in the inbox, for the alerts of whoever still runs when `stripe-cio listen` does not."""

from pathlib import Path

from stripe_cio_pipeline.listening import FILE_NAME
from stripe_cio_pipeline.sync import Backlog

#: A sync and a tick have other things to do than to wait for the inbox.
_PATIENCE_SECONDS = 1.0


def read_backlog(home: Path) -> Backlog | None:
    """Say what waits in the inbox of a home folder: nothing where there is no inbox, None where it cannot be read.

    It raises nothing, because no run and no tick is to be another for it. `stripe-cio status` tells of a damaged inbox.
    """
    try:
        if not (home / FILE_NAME).exists():
            return Backlog(0, None)
        # Where nobody ever listened it is not needed.
        from stripe_cio_pipeline.listening.inbox import Inbox

        inbox = Inbox.under(home, patience=_PATIENCE_SECONDS)
        try:
            return Backlog(*inbox.backlog())
        finally:
            inbox.close()
    except Exception:  # whatever is wrong with the file
        return None
