"""Options that several commands have."""

from typing import Annotated

import typer

from pumphouse.cli import console
from pumphouse.models import MoverChoice

SiteOption = Annotated[
    str | None,
    typer.Option(help="The site's block on the server. Else the name in config.yaml."),
]
DeploymentOption = Annotated[
    bool,
    typer.Option(
        "--deployment", help="Run on the server's worker, and watch from here. Ctrl-C asks."
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Only errors; with --json also that.", callback=console.be_quiet
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Also tracebacks, and Prefect's own messages.",
        callback=console.be_verbose,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document, the result or the error, and nothing else.",
        callback=console.be_json,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Do all the checks, and change nothing.")
]
MoverOption = Annotated[
    MoverChoice,
    typer.Option(help="How root disks move; configured: as config.yaml says."),
]
MaxParallelOption = Annotated[
    int, typer.Option("--max-parallel", min=0, help="Servers at once. 0: as the site's limit.")
]
CanaryOption = Annotated[
    int, typer.Option("--canary", min=0, help="So many go first; if one fails, no other goes.")
]
MaxFailuresOption = Annotated[
    int, typer.Option("--max-failures", min=0, help="No other goes after so many failed.")
]
UntilOption = Annotated[
    str,
    typer.Option(
        "--until", help="No server is begun after: 05:30 (UTC), 05:30 Europe/Berlin, or a date."
    ),
]
SnapshotsOption = Annotated[
    bool, typer.Option("--snapshots", help="Volumes bring their snapshots. Else as config.yaml.")
]
TogetherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--together",
        help="Servers that all arrive or all stay: group:web, project:shop, tag:blue. Repeatable.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before starting.")]
