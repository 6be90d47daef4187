"""`dev` and `sandbox`: the two commands that stay until they are stopped."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from stripe_cio_pipeline.cli.demo_webhook import free_port, new_endpoint
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.cli.session import fresh_home
from stripe_cio_pipeline.policy import FILE_NAME
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.sandbox.__main__ import run
from stripe_cio_pipeline.settings import Settings, load_settings


def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the UI.")] = 3000,
    with_sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Against a sandbox of its own, in which a day passes every minute.")
    ] = False,
    customers: Annotated[int, typer.Option(min=1, help="With --sandbox: Stripe customers to begin with.")] = 200,
    listen: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, metavar="PORT", help="Take webhooks too, as stripe-cio listen does. A sandbox has it on."
        ),
    ] = None,
) -> None:
    """Open the Dagster UI, with storage under STRIPE_CIO_HOME. Schedules and the sensor are stopped by default."""
    # Dagster takes a second to import, and no other command but sync needs it.
    from stripe_cio_pipeline.orchestration.development import AUTOMATION
    from stripe_cio_pipeline.orchestration.development import dev as serve

    output = Output(as_json=False)
    settings = load_settings()
    if listen is not None and not with_sandbox:
        settings.require_webhook_secrets()
    with Sandbox(customers=customers) if with_sandbox else nullcontext() as sandbox:
        environment: dict[str, str] = {}
        if sandbox is not None:
            sandbox.clock.run(days_per_minute=1)
            listen = free_port() if listen is None else listen
            endpoint = new_endpoint(sandbox, listen)
            home = fresh_home(settings.home.absolute() / "sandbox")
            environment = {
                **sandbox.environment(),
                "STRIPE_WEBHOOK_SECRET": endpoint["secret"],
                **_policy(settings, home),
                "STRIPE_CIO_HOME": str(home),
                "STRIPE_CIO_WAREHOUSE": "",
                # Nobody can be mailed by a sandbox, so this instance has everything switched on.
                AUTOMATION: "running",
            }
            settings = settings.model_copy(update={"home": home})
        output.say(f"Dagster: http://{host}:{port} (stop with Ctrl-C)", "bold")
        if with_sandbox:
            output.say("Webhooks bring what happens at Stripe within seconds (stripe-cio listen). The sensor and the")
            output.say("schedules are on: a sync runs where something is left, and every few minutes.")
            output.say("The guard stops the first load, as with a real account: open the failed run to approve it.")
        else:
            output.say("Materialize all runs one sync. Automation switches on the sensor and the schedules.")
        raise typer.Exit(serve(settings, host=host, port=port, environment=environment, listen_port=listen))


def _policy(settings: Settings, home: Path) -> dict[str, str]:
    """Point at a policy for watching, unless the user has one to try out."""
    if settings.config is not None or Path(FILE_NAME).exists():
        return {}
    file = home / FILE_NAME
    file.write_text(
        "guard: {max_changed_share: 1.0}\n"
        "identity: {settle_seconds: 5}\n"
        "stripe: {poll_seconds: 15, monthly_reads: 1000000}\n",
        encoding="utf-8",
    )
    return {"STRIPE_CIO_CONFIG": str(file)}


def sandbox(context: typer.Context) -> None:
    """Start a fake Stripe and a fake Customer.io on loopback, and print the environment that points at them."""
    try:
        raise typer.Exit(run(context.args))
    except SystemExit as refused:
        # argparse ends the process itself where an option is wrong, or for --help.
        raise typer.Exit(int(refused.code or 0)) from None
