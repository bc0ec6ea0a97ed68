"""``pumphouse migrate``: what is selected, or one sort of things alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from pumphouse.cli.files import ConfigOption
from pumphouse.cli.groups import by_default
from pumphouse.cli.options import (
    DeploymentOption,
    DryRunOption,
    JsonOption,
    QuietOption,
    SiteOption,
    YesOption,
)
from pumphouse.cli.running import Way
from pumphouse.cli.runs import carry_out, migrate
from pumphouse.errors import ConfigError

SELECTION = "selection"
EVERYTHING = "everything"
"""The word for the whole cloud; `pumphouse.criteria` has it too, and imports pandas."""


@dataclass(frozen=True)
class Sort:
    """
    One sort of things that can be migrated alone.

    Attributes:
        word: The command.

        table: What names, ids and conditions are of.

        kinds: What the plan is limited to; empty takes all that the things own and need.
    """

    word: str
    table: str
    kinds: tuple[str, ...]
    doc: str


SORTS = (
    Sort(
        "identity",
        "projects",
        ("identity",),
        "Copy projects alone, by name: their domains, users, roles and assignments.",
    ),
    Sort("project", "projects", (), "Move projects whole: all that they own."),
    Sort("quotas", "projects", ("quotas",), "Set the quotas of projects, by the project's name."),
    Sort("flavors", "flavors", ("flavors",), "Copy flavors alone."),
    Sort("keypairs", "users", ("keypairs",), "Copy the keypairs of users, by the user's name."),
    Sort("images", "images", ("images",), "Copy images alone, with their bytes and owners."),
    Sort(
        "networks",
        "networks",
        ("networks",),
        "Copy networks alone: with subnets, routers and security groups, without servers' ports.",
    ),
    Sort("volumes", "volumes", ("volumes",), "Copy volumes alone that no server uses."),
    Sort(
        "servers",
        "servers",
        ("servers", "snapshots", "identity", "quotas", "routers", "floating_ips"),
        "Move servers, with what they need, their projects' users, quotas, routers and addresses.",
    ),
)

app = typer.Typer(
    cls=by_default(SELECTION),
    help="Move workloads to the target: migrate SELECTION…, or one sort of things alone. "
    "`migrate selection --help` says what a selection can be, and has the options of that form.",
    rich_markup_mode=None,
)
app.command(SELECTION)(migrate)


def _command(sort: Sort) -> Callable[..., None]:
    def move(
        names: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="NAME",
                help=f"Names or ids of {sort.table}; or everything.",
                show_default=False,
            ),
        ] = None,
        ids: Annotated[
            list[str] | None,
            typer.Option(help=f"Ids of {sort.table}, with commas between. Repeatable."),
        ] = None,
        project: Annotated[
            list[str] | None, typer.Option(help="Those of a project, by name or id. Repeatable.")
        ] = None,
        host: Annotated[
            list[str] | None,
            typer.Option(help="Those that servers of a hypervisor need. Repeatable."),
        ] = None,
        query: Annotated[
            str, typer.Option(help=f"A condition over the columns of the table {sort.table}.")
        ] = "",
        exclude: Annotated[
            list[str] | None,
            typer.Option(help="What stays, in the words of pumphouse plan. Repeatable."),
        ] = None,
        plan: Annotated[
            str, typer.Option(help="A plan's file, made with the same --kinds: just that is done.")
        ] = "",
        dry_run: DryRunOption = False,
        yes: YesOption = False,
        config: ConfigOption = None,
        site: SiteOption = None,
        deployment: DeploymentOption = False,
        quiet: QuietOption = False,
        as_json: JsonOption = False,
    ) -> None:
        chosen: dict[str, Any] = {
            "selection": criteria(sort.table, names or [], ids or [], query),
            "projects": project or [],
            "hosts": host or [],
            "exclude": exclude or [],
            "kinds": list(sort.kinds),
            "plan": plan,
            "dry_run": dry_run,
        }
        carry_out(chosen, yes, Way(config, site, deployment, quiet, as_json))

    return move


def criteria(kind: str, names: Sequence[str], ids: Sequence[str], query: str) -> list[str]:
    """
    Return the criteria of names, comma-separated ids and a condition over table *kind*.

    Raises:
        ConfigError: A name or an id is empty.
    """
    listed = [id_.strip() for text in ids for id_ in text.split(",")]
    if not all(name.strip() for name in (*names, *listed)):
        raise ConfigError("migrate", ["A name or an id is empty."])
    named = [name if name == EVERYTHING else f"{kind}:{name}" for name in (*names, *listed)]
    return [*named, *([f"{kind}[{query.strip()}]"] if query.strip() else [])]


for _sort in SORTS:
    app.command(_sort.word, help=_sort.doc)(_command(_sort))
