"""Groups of commands of which one need not be named, and the options that all commands have."""

from typing import TYPE_CHECKING, Any

import typer
import typer.main
from typer.core import TyperGroup

from pumphouse.cli.options import QuietOption, VerboseOption

if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = ("-h", "--help")


def by_default(name: str) -> type[TyperGroup]:
    """Return a class of groups whose command *name* is meant when none is named."""

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Name the command if the first word is none. Typer has a click of its own."""
            is_unnamed = args[0] not in (*self.commands, *HELP) if args else _acts(self, ctx)
            rest: list[str] = super().parse_args(ctx, [name, *args] if is_unnamed else args)
            return rest

        def shell_complete(self, ctx: Any, incomplete: str) -> Any:
            """Complete the other commands' names, and the options of the unnamed one."""
            found = super().shell_complete(ctx, incomplete)
            known = {each.value for each in found}
            more = self.commands[name].shell_complete(ctx, incomplete)
            return found + [each for each in more if each.value not in known]

    return Group


def _acts(group: TyperGroup, ctx: Any) -> bool:
    """Tell if *group* without any word means its command, not its help or a completion."""
    return not (group.no_args_is_help or ctx.resilient_parsing)


def commands(command: Any, path: tuple[str, ...] = ()) -> "Iterator[tuple[tuple[str, ...], Any]]":
    """Yield the words and the click command of every command below *command*, in order."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


def add_common_options(command: Any) -> None:
    """Give every command below *command* the options that it lacks of those that all have."""
    model = typer.Typer(add_completion=False)
    model.command()(_common)
    common = typer.main.get_command(model).params
    for option in common:
        # They act by their callbacks; the commands' functions do not take them.
        option.expose_value = False
    for _, leaf in commands(command):
        has = {word for parameter in leaf.params for word in parameter.opts}
        leaf.params += [option for option in common if not has & set(option.opts)]


def _common(quiet: QuietOption = False, verbose: VerboseOption = False) -> None:
    """Have the options that all commands have."""
