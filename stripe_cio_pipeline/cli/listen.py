"""`listen`: takes Stripe's webhooks until it is stopped."""

from typing import Annotated

import typer

from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Wait, open_session


def listen(
    host: Annotated[str, typer.Option(help="Address to listen on. TLS is for the proxy in front.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes any that is free.")] = 8787,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Take Stripe's webhooks: what they tell is in Customer.io within seconds. The poll goes on and misses nothing."""
    session = open_session(wait=wait)
    # No other command needs a server.
    from stripe_cio_pipeline.listening.serving import listen as serve

    serve(session.settings, session.policy, session.warehouse, host=host, port=port, say=session.output.say)
