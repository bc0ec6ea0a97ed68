"""``pumphouse deploy``: put pool, deployments and automation on the server."""

from pumphouse.cli import engine
from pumphouse.cli.console import out


def deploy() -> None:
    """Put the flows' deployments, their work pool and the automation on the Prefect server."""
    engine.require_server()
    with engine.answering():
        from pumphouse.deployments.set_up import set_up

        for item in set_up():
            out.print(f"[green]✓[/] {item}")
