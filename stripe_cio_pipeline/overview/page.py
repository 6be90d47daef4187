"""The overview as one page of HTML: nothing in it is loaded from elsewhere, and nothing runs."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.overview.figures import Overview
from stripe_cio_pipeline.overview.pictures import Picture

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 ui-sans-serif, system-ui, sans-serif; max-width: 800px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; }
figure { margin: 2rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { max-width: 760px; margin-top: .5rem; font-size: .85rem; opacity: .8; }
"""


def write_page(found: Overview, pictures: Sequence[Picture]) -> str:
    """Give the page: the account, the period, when it was made, and the pictures with their words below them."""
    # The browser is told to run nothing and to load nothing; the one style is allowed by its hash.
    allowed = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
    figures = "\n".join(
        f"<figure>\n{picture.svg}\n<figcaption>{escape(picture.words)}</figcaption>\n</figure>" for picture in pictures
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{allowed}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(_account(found))}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(_account(found))}</h1>
<p>{_period(found)}</p>
{figures}
</body>
</html>
"""


def _account(found: Overview) -> str:
    if found.account is None:
        return "Stripe and Customer.io: no account yet"
    mode = {True: ", live mode", False: ", test mode"}.get(found.livemode, "") if found.livemode is not None else ""
    return f"Stripe account {visible(found.account)}{mode}, and Customer.io"


def _period(found: Overview) -> str:
    first, last = (f"{day:%Y-%m-%d}" for day in (found.days[0], found.days[-1]))
    return f"{first} to {last}. Made on {found.made_at:%Y-%m-%d %H:%M} UTC."
