"""``pumphouse deploy``: put pool, deployments and automation on the server."""

from pumphouse.cli import engine
from pumphouse.cli.console import out, print_json
from pumphouse.cli.options import JsonOption


def deploy(as_json: JsonOption = False) -> None:
    """Put the flows' deployments, their work pool and the automation on the Prefect server."""
    engine.require_server()
    with engine.answering():
        from pumphouse.deployments.set_up import set_up

        written = set_up()
    for item in written:
        out.print(f"[green]✓[/] {item}")
    if as_json:
        print_json(written)
