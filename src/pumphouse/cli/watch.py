"""Run a deployment through the Prefect server, or look at a run, and watch it in the terminal."""

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from pumphouse.cli import engine
from pumphouse.cli.console import err, errors, escape, is_verbose, out, print_json
from pumphouse.cli.options import JsonOption, QuietOption
from pumphouse.errors import ConfigError, RunFailed, exit_code

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from pumphouse.cli.run_pages import RunPages

LOOK_EVERY_S = 1.0
SHOWN_FAILURES = 5
PREFECTS_OWN = re.compile(
    "Beginning (sub)?flow run|Finished in state|Created task run|Downloading flow code"
)
"""What Prefect says about itself in a run's log."""


def run(
    name: str, parameters: Mapping[str, Any], quiet: bool = False, as_json: bool = False
) -> None:
    """
    Start deployment *name* (``flow/deployment``), watch it to its end, and print its pages.

    Raises:
        ConfigError: The deployment does not exist or refuses the parameters.
        RunFailed: The run did not complete; its exit code is that of the error that ended it.
        ServerUnreachable: The Prefect server does not answer.
    """
    engine.require_server()
    with engine.answering():
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            started = _start(client, name, parameters)
            _follow(client, started, quiet, as_json)


def watch(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Id or name of a run, or latest.")
    ] = "latest",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Watch a run that was started anywhere: its stages, servers, bytes and downtimes.

    Ends with the run, and with its exit code. Ctrl-C asks: cancel it, leave it, go on watching.
    """
    from pumphouse.cli.run_pages import find

    engine.require_server()
    with engine.answering():
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            found = find(client, run)
            if found is None:
                problem = f"There is no run {run!r} at {engine.server_url()}; give its id or name."
                raise ConfigError("RUN", [problem])
            _follow(client, found, quiet, as_json)


def _follow(client: "SyncPrefectClient", begun: "FlowRun", quiet: bool, as_json: bool) -> None:
    from pumphouse.cli.run_pages import RunPages

    err.print(f"Run [bold]{escape(begun.name)}[/] {page(begun.id)}", soft_wrap=True)
    pages = RunPages(client, begun.id)
    ended = Watch(pages, quiet).until_end()
    if ended is None:
        err.print(f"It goes on without you: {page(begun.id)}", soft_wrap=True)
    seen = ended or pages.run()
    if as_json:
        _print_json(seen, pages)
    elif ended:
        _print_end(seen, pages)
    if ended:
        _raise_unless_completed(ended)


def page(run_id: UUID) -> str:
    """Return the address of a flow run's page."""
    return f"{_ui()}/runs/flow-run/{run_id}"


def _ui() -> str:
    from prefect.settings import get_current_settings

    return get_current_settings().ui_url or (engine.server_url() or "").removesuffix("/api")


def _start(client: "SyncPrefectClient", name: str, parameters: Mapping[str, Any]) -> "FlowRun":
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound as error:
        problem = f"The server has no deployment {name}; deploy it with `pumphouse deploy`."
        raise ConfigError("--deployment", [problem]) from error
    try:
        return client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
    except PrefectHTTPStatusError as error:
        if error.response.status_code not in (409, 422):
            raise
        detail = str(error.response.json().get("detail", error.response.text))
        raise ConfigError(name, [detail]) from error


class Watch:
    """Looks at one flow run every second; shows a picture of it and prints its log lines."""

    def __init__(self, pages: "RunPages", quiet: bool) -> None:
        self.pages = pages
        self.quiet = quiet
        self.is_pictured = err.is_terminal and not quiet
        self.failed: list[str] = []

    def until_end(self) -> "FlowRun | None":
        """Return the run when it has ended, or None when the operator leaves it running."""
        while True:
            try:
                return self._follow()
            except KeyboardInterrupt:
                if not self._interrupted():
                    return None

    def _follow(self) -> "FlowRun":
        from rich.live import Live

        with Live(console=err, refresh_per_second=4, transient=True) as live:
            while True:
                seen = self.pages.run()
                self._print_lines()
                if seen.state is not None and seen.state.is_final():
                    # The last lines arrive in batches, up to two seconds after the end.
                    time.sleep(2)
                    self._print_lines()
                    return seen
                if self.is_pictured:
                    live.update(self.picture(seen))
                time.sleep(LOOK_EVERY_S)

    def picture(self, seen: "FlowRun") -> Any:
        """Return what is shown of the run now."""
        from pumphouse.cli.picture import picture

        pages = self.pages
        failed = self.failed[-SHOWN_FAILURES:]
        return picture(seen, pages.counts(), pages.stages(), pages.jobs(), failed)

    def _interrupted(self) -> bool:
        """Ask what the interrupt means; return whether to go on watching."""
        try:
            asked = "Cancel the run (c), leave it running (l), or go on watching (w)?"
            answer = typer.prompt(asked, default="w", err=True).strip().lower()
        except (KeyboardInterrupt, typer.Abort):
            answer = "l"
        if answer.startswith("c"):
            from prefect.states import Cancelling

            self.pages.client.set_flow_run_state(self.pages.run_id, Cancelling(), force=False)
            err.print("Cancelling: running steps are undone or brought to a safe end first.")
        return not answer.startswith("l")

    def _print_lines(self) -> None:
        for line, is_pictured in self.pages.lines():
            if not (is_pictured and self.is_pictured) or is_verbose():
                self._print_line(line)

    def _print_line(self, line: Mapping[str, Any]) -> None:
        level, message = line["level"], line["message"]
        ours = line["name"] in ("prefect.flow_runs", "prefect.task_runs")
        wanted = 20 if ours and not PREFECTS_OWN.match(message) else 30
        if level < (40 if self.quiet else 0 if is_verbose() else wanted):
            return
        color = "red" if level >= 40 else "yellow" if level >= 30 else "default"
        first, _, rest = message.partition("\n")
        if level >= 40 and ours:
            self.failed.append(first)
        more = " …" if rest else ""
        (errors if self.quiet else err).print(
            f"[dim]{line['timestamp'][11:19]}[/] [{color}]{escape(first)}{more}[/]"
        )


def _print_end(ended: "FlowRun", pages: "RunPages") -> None:
    state = ended.state.name if ended.state else "Unknown"
    color = "green" if state == "Completed" else "red"
    seconds = ended.total_run_time.total_seconds()
    out.print(f"[{color}]{state}[/] {escape(ended.name)} in {seconds:.0f} s")
    artifacts = pages.artifacts()
    width = max([3, *(len(artifact.key or "") for artifact in artifacts)])
    out.print(f"  {'run':{width}}  {page(ended.id)}", soft_wrap=True)
    for artifact in artifacts:
        address = f"{_ui()}/artifacts/artifact/{artifact.id}"
        out.print(f"  {artifact.key or '':{width}}  {address}", soft_wrap=True)


def _print_json(seen: "FlowRun", pages: "RunPages") -> None:
    """Print how a run is; what its flow returned stays on the worker, in the files it names."""
    state = seen.state
    done = state is None or not state.is_final() or state.is_completed()
    print_json(
        {
            "run": str(seen.id),
            "name": seen.name,
            "state": state.name if state else None,
            "message": state.message if state else None,
            "exit_code": 0 if done else code_of((state.message if state else None) or ""),
            "seconds": round(seen.total_run_time.total_seconds(), 3),
            "url": page(seen.id),
            "artifacts": {
                artifact.key: f"{_ui()}/artifacts/artifact/{artifact.id}"
                for artifact in pages.artifacts()
            },
        }
    )


def _raise_unless_completed(ended: "FlowRun") -> None:
    state = ended.state
    if state is None or state.is_completed():
        return
    message = state.message or "without a message."
    code = code_of(message)
    raise RunFailed(ended.name, f"{state.name}: {message}", page(ended.id), code)


def code_of(message: str) -> int:
    """Return the exit code that a failed state's *message* stands for; it names the error."""
    named = re.search(r"exception: (\w+):", message)
    return exit_code(named.group(1)) if named else 1
